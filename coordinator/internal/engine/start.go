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
	isOurs    bool             // sign: the caller has not chosen the id
	more      []registry.Event // that go with session.created
}

// start makes a session durable and lets it take its turn, or wait for people. Of a
// session whose turn is now the parties are asked while the disk works (begin).
func (e *Engine) start(n newcomer) error {
	created := &n.created
	invites, err := n.invites(e.sessionLife(&n))
	if err != nil {
		return err
	}
	p, err := e.enter(n.id, created)
	if err != nil {
		return err
	}
	if p != nil && p.waited {
		created.Expires = created.Expires.Add(TurnTimeout) // what counts begins with its turn
	}
	r := e.newRunner(n.id, *created)
	r.userShare, r.place, r.isOurs = n.userShare, p, n.isOurs
	batch := e.begin(r, append(n.events(created), invites...))
	e.launch(r)
	var gather time.Duration
	if r.first != nil {
		gather = r.first.gather()
	}
	if err = batch.WaitWithin(gather); err != nil {
		log.Errorw("a session could not be recorded", "session", n.id, "error", err)
		r.stillborn = true
		err = storageProblem()
	}
	close(r.durable)
	return err
}

// sessionLife sets when a new session ends, and returns it.
func (e *Engine) sessionLife(n *newcomer) time.Time {
	n.created.Expires = e.sessionDeadline(&n.created)
	if n.created.Wait != "" {
		n.created.Expires = waitUntil(n.created.Kind, n.waiting.Life)
	}
	return n.created.Expires
}

// events are what the log gets first of a new session.
func (n *newcomer) events(created *registry.NewSession) []registry.Event {
	first := registry.Event{Stream: registry.SessionStream(n.id), Type: registry.SessionCreated, Session: created, Actor: n.meta.Actor, Idem: n.meta.Idem}
	if first.Idem != nil && first.Idem.Ref == "" {
		own := *first.Idem
		own.Ref = n.id
		first.Idem = &own
	}
	for i := range n.more {
		n.more[i].Actor = n.meta.Actor
	}
	return append([]registry.Event{first}, n.more...)
}

// begin hands over the first events of a session. If its turn is now and its parties need no
// looking for, its first attempt begins with them, in one transaction, and is proposed
// while the disk works; a signature that is there within gatherTime is written with them.
// What can go wrong if the coordinator dies before that is done:
// nobody has been answered, and the log does not know the session. Its parties finish, and
// their records are logged as those of an unknown session; the caller asks again, and
// gets another signature of what he wanted signed anyway. Where more depends on the log, nothing is proposed
// before it is durable: a session's id that the caller has chosen would make parties
// refuse the same attempt once more, and shares of a key would be held for nobody.
func (e *Engine) begin(r *runner, events []registry.Event) *registry.Batch {
	if a := r.immediate(); a != nil {
		if err := r.prepare(a, events...); err == nil {
			r.first = a
			return a.begun
		}
		a.spend()
		e.unbook(a.parties) // the usual way tells what is wrong
	}
	return e.cfg.Registry.Begin(events...)
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

// invites are the events of a new session's invites, which end with it.
func (n *newcomer) invites(expires time.Time) (events []registry.Event, err error) {
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
		invite.Expires = expires
		events = append(events, registry.Event{
			Stream: registry.SessionStream(n.id), Type: registry.InviteCreated, Invite: &invite, Actor: n.meta.Actor,
		})
	}
	return events, nil
}

// handle is a session that has not ended, to others.
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
		defer e.leave(r)
		defer cancel(nil)
		r.run(ctx)
		if s := e.cfg.Registry.Session(r.id); e.cfg.Ended != nil && s != nil && s.Status.Finished() {
			e.cfg.Ended(s)
		}
	})
}

// enter takes a session in: it has its turn, or waits for it, or for people (then there is no
// place yet). It is a problem when there are too many.
func (e *Engine) enter(id string, s *registry.NewSession) (*place, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	people := len(e.runners) - e.turns.working() - e.turns.waiting() + e.turns.enduring()
	kind := kindOfWork(s)
	switch {
	case e.draining:
		return nil, &registry.Problem{Code: registry.CodeShuttingDown, Detail: "the coordinator is shutting down: try again in a few seconds"}
	case e.known(id): // callers may choose the ids of sign sessions
		return nil, &registry.Problem{Code: registry.CodeRequestIDUsed, Detail: "this request_id is a session's already: make a fresh UUID", Session: id}
	case s.Wait != "" && people >= maxWaiting:
		return nil, &registry.Problem{
			Code: registry.CodeTooManySessions, Retry: mostRetry, // people come, or do not, in minutes
			Detail: fmt.Sprintf("%d sessions wait for people already, or for their turn after that: cancel some, or try again later", people),
		}
	}
	if s.Wait == "" && !e.turns.isFree(kind) {
		if err := e.mayQueue(newPlace(kind, laneOf(s)), time.Now()); err != nil {
			return nil, err
		}
	}
	e.runners[id] = handle{} // launch fills it in
	if s.Wait != "" {
		return nil, nil
	}
	return e.joinLocked(newPlace(kind, laneOf(s))), nil
}

// mayQueue refuses a session for which there is no place in the queue, or none from which its turn would
// come in time: it would be lost after a long wait. The caller holds e.mu.
func (e *Engine) mayQueue(p *place, now time.Time) error {
	if !e.turns.mayWait(p.kind, p.account, e.cfg.MaxQueue) {
		return e.crowded(p.kind)
	}
	late, isLate := e.turns.lateness(p, mostWait, now)
	if !isLate {
		return nil
	}
	return &registry.Problem{
		Code: registry.CodeTooManySessions, Retry: min(max(late, leastRetry), mostRetry),
		Detail: fmt.Sprintf(
			"%d sessions wait for their turn, and it would take this one about %v to get it: try again later",
			e.turns.waiting(), (mostWait + late).Round(time.Second)),
	}
}

// crowded says when to come again: when half of those that wait have had their turn. The caller holds e.mu.
func (e *Engine) crowded(kind workKind) error {
	return &registry.Problem{
		Code: registry.CodeTooManySessions, Retry: e.turns.pace[kind].wait(1+e.turns.length[kind]/2, time.Now()),
		Detail: fmt.Sprintf("%d sessions are at work and %d wait for their turn: try again later", e.turns.working(), e.turns.waiting()),
	}
}

// kindOfWork says which places a session needs.
func kindOfWork(s *registry.NewSession) workKind {
	switch {
	case s.Externals > 0:
		return peopleWork
	case s.Kind == protocol.KindKeygen && s.Scheme == protocol.ECDSA:
		return heavyWork
	}
	return quickWork
}

// laneOf names the queue of a session: that of its account or, as a keygen's account is
// always a new one, of the account's owner.
func laneOf(s *registry.NewSession) string {
	if s.Kind == protocol.KindKeygen {
		return "owner/" + s.Owner
	}
	return s.Account
}

// known reports whether a session has the id, or is about to. The caller holds
// e.mu.
func (e *Engine) known(id string) bool {
	_, now := e.runners[id]
	return now || e.cfg.Registry.Session(id) != nil
}

// joinLocked lets a session take its turn. The caller holds e.mu.
func (e *Engine) joinLocked(p *place) *place {
	e.turns.join(p, time.Now())
	e.noteIdle()
	return p
}

// noteIdle opens or closes what tells that nothing is at work. The caller holds e.mu.
func (e *Engine) noteIdle() {
	isIdle := e.turns.working() == 0
	select {
	case <-e.idle:
		if !isIdle {
			e.idle = make(chan struct{})
		}
	default:
		if isIdle {
			close(e.idle)
		}
	}
}

// leave forgets a session that has ended, and calls the next one.
func (e *Engine) leave(r *runner) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.runners, r.id)
	if r.place == nil {
		return
	}
	e.turns.leave(r.place, time.Now())
	e.noteIdle()
}

// Queue returns how many sessions are at work and how many wait for their turn.
func (e *Engine) Queue() (working, waiting int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.turns.working(), e.turns.waiting()
}
