package engine

import (
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// Resume takes up the sessions that the registry holds open. Their attempts are
// known to Receive when it returns.
func (e *Engine) Resume() {
	for _, s := range e.cfg.Registry.Unfinished() {
		r, err := e.restore(s)
		if err != nil {
			log.Errorw("a session cannot be taken up again", "session", s.ID, "error", err)
			r.fail(&registry.Problem{Code: registry.CodeInternal, Detail: "the session could not be taken up after a restart"})
			continue
		}
		log.Infow("session taken up again", "session", s.ID, "kind", s.Kind, "attempt", s.Attempt)
		if r.req.Wait == "" {
			e.takeBack(r)
		}
		e.launch(r)
	}
}

// takeBack lets a session go on that was at work, and queues one that was not, or not yet for
// long enough to be on record.
func (e *Engine) takeBack(r *runner) {
	if r.resumed != nil {
		e.register(r.resumed)
		e.mustBook(r.resumed.parties)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	r.place = r.newPlace()
	if r.resumed != nil {
		e.turns.give(r.place)
	} else {
		e.turns.join(r.place, time.Now())
	}
	e.noteIdle()
}

// restore returns the runner of a session as the log knows it. Without an
// attempt on record, the first one may still have been proposed: its number is
// not used again.
func (e *Engine) restore(s *registry.Session) (*runner, error) {
	now := time.Now()
	r := &runner{e: e, id: s.ID, req: s.NewSession, durable: make(chan struct{}), number: 2, spared: 1, quiet: now.Add(resumeQuiet), restored: true, patient: s.Gathered}
	close(r.durable)
	r.recall(s)
	if r.req.Externals > 0 {
		r.quiet = now.Add(deviceGrace)
	}
	if r.req.Wait != "" {
		r.number, r.spared = 1, 0
		return r, nil
	}
	if least := now.Add(resumeGrace + probeTimeout + e.attemptTimeout(&s.NewSession)); r.req.Expires.Before(least) {
		r.req.Expires = least
	}
	if s.Status == registry.StatusCreated {
		return r, nil
	}
	var spec protocol.Spec
	if err := protocol.Unmarshal(s.Spec, &spec); err != nil {
		return r, fmt.Errorf("session %s: %w", s.ID, err)
	}
	r.resumed, r.plain = e.restoreAttempt(s, &spec, now), plainAttempts(s)
	r.full, r.spared = s.Presigned || s.Fallbacks > 0, s.Fallbacks+s.Spared
	return r, nil
}

func (e *Engine) restoreAttempt(s *registry.Session, spec *protocol.Spec, now time.Time) *attempt {
	a := &attempt{
		e: e, session: s.ID, req: s.NewSession, spec: spec, sid: spec.SID(), deadline: spec.Deadline(), resumed: true, quiet: now.Add(resumeQuiet),
		members: make(map[protocol.PeerID]*member, len(s.Members)), in: make(chan inbound, inboxSize),
		lost: make(chan protocol.PeerID, len(s.Members)), broken: make(chan error, 1), back: make(chan protocol.PeerID, len(s.Members)),
	}
	if least := now.Add(resumeGrace); a.deadline.Before(least) {
		a.deadline = least
	}
	for _, m := range s.Members {
		a.parties = append(a.parties, m.Party)
		restored := &member{Party: m.Party, answered: make(chan struct{}), accepted: m.State != registry.StateInvited}
		restored.failed = m.State == registry.StateFailed || m.State == registry.StateRefused
		if m.Outcome != nil {
			restored.finished, restored.digest = true, m.Outcome.Digest
		}
		if restored.accepted && !a.asksAgain(restored) {
			restored.settle()
		}
		a.members[m.Peer] = restored
	}
	for _, m := range s.Members {
		a.noteSaving(a.members[m.Peer], &protocol.Progress{Phase: m.Phase, Round: m.Round, Rounds: m.Rounds})
	}
	return a
}

// asksAgain reports whether a member that had accepted is sent the proposal once more. A signer that takes part
// says so, who has a result tells it, and who has lost both says that, too; a keygen's members have it on disk. Without
// the user's share a delegate would refuse.
func (a *attempt) asksAgain(m *member) bool {
	return a.spec.Kind == protocol.KindSign && !m.failed && m.Role != protocol.Delegate
}

// pickUp ends an attempt in which somebody had given up before the restart: it was
// about to end. Records may still come that complete it.
func (a *attempt) pickUp() {
	if !a.resumed || a.isCertified() || !a.any(func(m *member) bool { return m.failed }) {
		return
	}
	a.verdict = &ending{problem: &registry.Problem{Code: registry.CodeCeremonyFailed, Detail: "a party gave up before the coordinator was restarted"}}
	a.grace = time.After(settleTime)
	a.cancel(a.verdict.problem.Code)
}

// plainAttempts counts the attempts before the last one that count, and have taught nothing
// about the parties.
func plainAttempts(s *registry.Session) int {
	blamed := make(map[uint32]bool)
	for _, b := range s.Blames {
		if b.Attempt < s.Attempt {
			blamed[b.Attempt] = true
		}
	}
	return max(0, int(s.Attempt)-1-len(blamed)-s.Fallbacks-s.Spared)
}
