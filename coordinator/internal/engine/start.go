package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// How long sessions wait for people when the request does not say.
const (
	DefaultKeygenWait = time.Hour
	DefaultSignWait   = 10 * time.Minute
)

// newcomer is a session about to be made.
type newcomer struct {
	id        string
	created   registry.NewSession
	waiting   Waiting
	meta      registry.Meta
	userShare string           // sign: for the delegate; never written down
	more      []registry.Event // that go with session.created
}

// start makes a session durable and runs it, or lets it wait. Parties are looked
// for while the disk works; nothing is proposed to them before it is done.
func (e *Engine) start(n newcomer) error {
	created := &n.created
	created.Expires = e.sessionDeadline(created)
	if created.Wait != "" {
		created.Expires = waitUntil(created.Kind, n.waiting.Life)
	}
	invites, err := n.invites()
	if err != nil {
		return err
	}
	if p := e.enter(n.id, created.Wait != ""); p != nil {
		return p
	}
	first := registry.Event{Stream: registry.SessionStream(n.id), Type: registry.SessionCreated, Session: created, Actor: n.meta.Actor, Idem: n.meta.Idem}
	if first.Idem != nil && first.Idem.Ref == "" {
		own := *first.Idem
		own.Ref = n.id
		first.Idem = &own
	}
	for i := range n.more {
		n.more[i].Actor = n.meta.Actor
	}
	events := append(append([]registry.Event{first}, n.more...), invites...)
	batch := e.cfg.Registry.Begin(events...)
	r := e.newRunner(n.id, *created)
	r.userShare = n.userShare
	e.launch(r)
	err = batch.Wait()
	if err != nil {
		log.Errorw("a session could not be recorded", "session", n.id, "error", err)
		r.stillborn = true
		err = storageProblem()
	}
	close(r.durable)
	return err
}

func storageProblem() *registry.Problem {
	return &registry.Problem{Code: registry.CodeStorage, Detail: "the coordinator could not record the request: its disk may be full"}
}

func waitUntil(kind protocol.Kind, life time.Duration) time.Time {
	if life == 0 {
		life = DefaultSignWait
		if kind == protocol.KindKeygen {
			life = DefaultKeygenWait
		}
	}
	return time.Now().Add(life).UTC().Round(0)
}

// invites are the events of a new session's invites.
func (n *newcomer) invites() (events []registry.Event, err error) {
	for range n.created.Externals {
		if n.waiting.Invite == nil {
			return nil, &registry.Problem{
				Code:   registry.CodeNotConfigured,
				Detail: "this coordinator cannot invite: its operator has to set JWT_SECRET_KEY",
			}
		}
		invite, err := n.waiting.Invite()
		if err != nil {
			return nil, &registry.Problem{Code: registry.CodeInternal, Detail: "no invite could be made: " + err.Error()}
		}
		invite.Expires = n.created.Expires
		events = append(events, registry.Event{
			Stream: registry.SessionStream(n.id), Type: registry.InviteCreated, Invite: &invite, Actor: n.meta.Actor,
		})
	}
	return events, nil
}

// handle is a session that runs or waits, to others.
type handle struct {
	cancel context.CancelCauseFunc
	over   context.Context // ends when nothing more happens
}

// launch runs a session that has been entered.
func (e *Engine) launch(r *runner) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	over, end := context.WithCancel(context.Background())
	e.mu.Lock()
	e.runners[r.id] = handle{cancel, over}
	e.mu.Unlock()
	r.stuck = end
	e.spawn(func() {
		defer end()
		defer e.leave(r.id)
		defer cancel(nil)
		r.run(ctx)
		if s := e.cfg.Registry.Session(r.id); e.cfg.Ended != nil && s != nil && s.Status.Finished() {
			e.cfg.Ended(s)
		}
	})
}

// enter counts a session as running or waiting; a problem when it may not be.
func (e *Engine) enter(id string, waits bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.draining:
		return &registry.Problem{Code: registry.CodeShuttingDown, Detail: "the coordinator is shutting down: try again in a few seconds"}
	case e.known(id): // callers may choose the ids of sign sessions
		return &registry.Problem{Code: registry.CodeRequestIDUsed, Detail: "this request_id is a session's already: make a fresh UUID", Session: id}
	case waits && len(e.runners)-len(e.running) >= maxWaiting:
		return &registry.Problem{Code: registry.CodeTooManySessions, Detail: fmt.Sprintf("%d sessions wait for people already: cancel some", maxWaiting)}
	case !waits && len(e.running) >= e.cfg.MaxSessions:
		return &registry.Problem{Code: registry.CodeTooManySessions, Detail: fmt.Sprintf("%d sessions run already: try again in a second", e.cfg.MaxSessions)}
	}
	e.runners[id] = handle{} // launch fills it in
	if !waits {
		e.runLocked(id)
	}
	return nil
}

// known reports whether a session has the id, or is about to. The caller holds
// e.mu.
func (e *Engine) known(id string) bool {
	_, now := e.runners[id]
	return now || e.cfg.Registry.Session(id) != nil
}

// begin counts a session that waited as running, once there is room for it. It
// is false when none may begin any more or ctx has ended.
func (e *Engine) begin(ctx context.Context, id string) bool {
	for {
		e.mu.Lock()
		if e.draining {
			e.mu.Unlock()
			return false
		}
		if len(e.running) < e.cfg.MaxSessions {
			e.runLocked(id)
			e.mu.Unlock()
			return true
		}
		freed := e.freed
		e.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

func (e *Engine) runLocked(id string) {
	if len(e.running) == 0 {
		e.idle = make(chan struct{})
	}
	e.running[id] = struct{}{}
}

func (e *Engine) leave(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.runners, id)
	if _, ran := e.running[id]; !ran {
		return
	}
	delete(e.running, id)
	close(e.freed)
	e.freed = make(chan struct{})
	if len(e.running) == 0 {
		close(e.idle)
	}
}
