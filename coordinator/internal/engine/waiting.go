package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// await lets a session wait for whom it needs. It reports whether the first
// attempt may begin; if not, the session has ended or stays as it is.
func (r *runner) await(ctx context.Context) bool {
	expiry := time.NewTimer(time.Until(r.req.Expires))
	defer expiry.Stop()
	for {
		changed := r.e.cfg.Registry.Watch(registry.SessionStream(r.id))
		s := r.e.cfg.Registry.Session(r.id)
		if s.Wait == "" {
			return r.proceed(ctx, s)
		}
		if r.e.complete(s) {
			if !r.ready(s, nil) {
				return false
			}
			continue
		}
		select {
		case <-changed:
		case <-expiry.C:
			r.fail(r.unattended(s))
			return false
		case <-ctx.Done():
			if r.e.ctx.Err() == nil {
				r.cancelled(ctx)
			}
			return false
		}
	}
}

// proceed lets a session that waited for people take its turn. It was taken in long ago, and what people
// have done for it is not to be lost: it waits for up to PatientTimeout, as long as its approvals are good.
func (r *runner) proceed(ctx context.Context, s *registry.Session) bool {
	r.req, r.patient = s.NewSession, true
	r.e.mu.Lock()
	r.place = r.e.joinLocked(r.newPlace())
	r.e.mu.Unlock()
	if !r.takeTurn(ctx) {
		return false
	}
	if r.req.Externals > 0 {
		r.quiet = time.Now().Add(deviceGrace)
	}
	return true
}

// takeTurn waits until the session may be at work. It is false if that never comes: the
// session has ended then or, if the coordinator stops, is taken up at the next start.
func (r *runner) takeTurn(ctx context.Context) bool {
	if !r.place.waited {
		return ctx.Err() == nil || r.mayEnd(ctx)
	}
	most := TurnTimeout
	if r.patient {
		most = PatientTimeout
	}
	late := time.NewTimer(most)
	defer late.Stop()
	var lapsed <-chan time.Time
	if d, limited := r.lapseIn(); limited {
		timer := time.NewTimer(d)
		defer timer.Stop()
		lapsed = timer.C
	}
	select {
	case <-r.place.given:
		r.req.Expires = r.e.sessionDeadline(&r.req) // its time begins now
		return true
	case <-late.C:
		r.giveUp(&registry.Problem{
			Code: registry.CodeSessionTimeout, Detail: fmt.Sprintf("the session waited %v for its turn: the coordinator has more to do than it can", most),
		})
	case <-lapsed:
		r.giveUp(ranOut())
	case <-r.e.quitting:
		<-r.durable
		if r.userShare != "" && !r.stillborn {
			r.failWithoutShare() // now, while the caller is there
		}
	case <-ctx.Done():
		return r.mayEnd(ctx)
	}
	return false
}

// newPlace is what the session waits for.
func (r *runner) newPlace() *place {
	p := newPlace(kindOfWork(&r.req), laneOf(&r.req))
	p.patient = r.patient
	return p
}

// giveUp ends a session that has not had its turn.
func (r *runner) giveUp(p *registry.Problem) {
	if <-r.durable; !r.stillborn {
		r.fail(p)
	}
}

// mayEnd ends a session that was cancelled before it began.
func (r *runner) mayEnd(ctx context.Context) bool {
	<-r.durable
	if !r.stillborn {
		r.cancelled(ctx) // unless the coordinator stops
	}
	return false
}

// complete reports whether everybody has come that a session waits for.
func (e *Engine) complete(s *registry.Session) bool {
	if s.Wait == registry.WaitUser || len(s.Joined) < s.Externals {
		return false
	}
	if s.Wait != registry.WaitApprovals {
		return true
	}
	a := e.cfg.Registry.Account(s.Account)
	return e.enough(e.claimed(s.ID, &s.NewSession), a.Approvers, s.Approved)
}

// ready records that a session waits no more.
func (r *runner) ready(s *registry.Session, recipient []byte) bool {
	return r.record(registry.Event{
		Stream: registry.SessionStream(r.id), Type: registry.SessionReady, Recipient: recipient, Expires: r.e.sessionDeadline(&s.NewSession),
	})
}

// unattended says for whom a session waited in vain.
func (r *runner) unattended(s *registry.Session) *registry.Problem {
	what := "nobody asked for the user's share"
	switch s.Waiting() {
	case registry.WaitExternal:
		what = fmt.Sprintf("%d of %d invited devices joined", len(s.Joined), s.Externals)
	case registry.WaitApprovals:
		what = fmt.Sprintf("%d approvals came and were valid", len(r.e.ApprovedBy(s)))
	}
	return &registry.Problem{Code: registry.CodeSessionTimeout, Detail: "the session expired before it could begin: " + what}
}

// Complete lets a keygen with an open user slot begin; recipient is the user's
// X25519 key, nil for a share in plain.
func (e *Engine) Complete(session string, recipient []byte, meta registry.Meta) error {
	e.gather.Lock()
	defer e.gather.Unlock()
	s, err := e.waitingSession(session, protocol.KindKeygen)
	if err != nil {
		return err
	}
	if s.Wait != registry.WaitUser {
		return &registry.Problem{Code: registry.CodeNotWaiting, Detail: "the session has no open user slot", Session: session}
	}
	if err := e.cfg.Registry.Append(registry.Event{
		Stream: registry.SessionStream(session), Type: registry.SessionReady, Recipient: recipient,
		Expires: e.sessionDeadline(&s.NewSession), Actor: meta.Actor, Idem: meta.Idem,
	}); err != nil {
		return storageProblem()
	}
	return nil
}

// waitingSession returns a session of a kind that waits for somebody.
func (e *Engine) waitingSession(id string, kind protocol.Kind) (*registry.Session, error) {
	s := e.cfg.Registry.Session(id)
	switch {
	case s == nil:
		return nil, sessionNotFound(id)
	case s.Status.Finished():
		return nil, &registry.Problem{Code: registry.CodeFinished, Detail: fmt.Sprintf("the session has ended: it is %s", s.Status), Session: id}
	case s.Kind != kind, s.Wait == "":
		return nil, &registry.Problem{Code: registry.CodeNotWaiting, Detail: "the session does not wait for this", Session: id}
	}
	return s, nil
}

func sessionNotFound(id string) *registry.Problem {
	return &registry.Problem{Code: registry.CodeSessionNotFound, Detail: fmt.Sprintf("there is no session %q", id)}
}

// Cancel ends a session that has not ended. It returns when that is recorded;
// a session that completes in the same moment stays completed.
func (e *Engine) Cancel(ctx context.Context, id string, meta registry.Meta) error {
	s := e.cfg.Registry.Session(id)
	if s == nil {
		return sessionNotFound(id)
	}
	if !s.Status.Finished() {
		e.mu.Lock()
		running := e.runners[id]
		e.mu.Unlock()
		if running.cancel == nil {
			return &registry.Problem{Code: registry.CodeShuttingDown, Detail: "the coordinator is starting or stopping: try again in a few seconds", Session: id}
		}
		running.cancel(&cancellation{meta})
		var err error
		if s, err = e.Wait(ctx, id); err != nil {
			return err
		}
	}
	if s.Status != registry.StatusCancelled {
		return &registry.Problem{Code: registry.CodeFinished, Detail: fmt.Sprintf("the session has ended: it is %s", s.Status), Session: id}
	}
	return nil
}

// Wait returns a session when it has ended. An error, a *registry.Problem, means
// that ctx ended, that the coordinator stops, or that the end cannot be recorded
// for now.
func (e *Engine) Wait(ctx context.Context, id string) (*registry.Session, error) {
	e.mu.Lock()
	running, runs := e.runners[id]
	e.mu.Unlock()
	if runs && running.over != nil {
		wait, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(running.over, stop)()
		_, _ = e.cfg.Registry.WaitFinished(wait, id) // its error says only that there was no end
	}
	s := e.cfg.Registry.Session(id)
	switch {
	case s == nil:
		return nil, sessionNotFound(id)
	case s.Status.Finished():
		return s, nil
	case ctx.Err() != nil, e.IsDraining():
		return s, &registry.Problem{
			Code: registry.CodeShuttingDown, Session: id, Detail: "the coordinator is shutting down; the session goes on: ask for it later",
		}
	}
	p := storageProblem()
	p.Session = id
	return s, p
}

// cancellation is the cause of a session's context that a user has ended.
type cancellation struct{ meta registry.Meta }

func (*cancellation) Error() string { return "cancelled on request" }
