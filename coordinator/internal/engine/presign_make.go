package engine

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// presigning is a presignature on its way. The stock's lock guards it.
type presigning struct {
	*presignature
	spec     *protocol.Spec
	answered map[protocol.PeerID]chan struct{} // closed with the first answer
	held     map[protocol.PeerID]time.Time     // who holds it, and until when
	failure  *presignFailure                   // why there will be none
	over     chan struct{}                     // closed when it is held by all, or failed
}

// presignFailure says why a presigning failed.
type presignFailure struct {
	by     protocol.PeerID // who said so; empty: nobody
	code   protocol.Code
	detail string
}

// begin starts a presigning of a set. It is a session of the parties and none of the
// API: nobody waits for it. The caller holds s.mu.
func (s *stock) begin(w want, set []registry.Party, now time.Time) error {
	spec, err := s.e.presignSpec(w.account, set, now)
	if err != nil {
		return err
	}
	m := &presigning{
		presignature: &presignature{sid: spec.SID(), account: w.account.ID, epoch: spec.Epoch, parties: set, boots: make(map[protocol.PeerID]uint64)},
		spec:         spec, answered: make(map[protocol.PeerID]chan struct{}), held: make(map[protocol.PeerID]time.Time), over: make(chan struct{}),
	}
	for _, p := range set {
		known, _ := s.e.cfg.Pool.Party(p.Peer)
		m.boots[p.Peer], m.answered[p.Peer] = known.Boot, make(chan struct{})
	}
	frame, err := protocol.Marshal(protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
	if err != nil {
		return err
	}
	s.making[m.sid] = m
	w.shelf.making++
	s.e.spawn(func() { s.work(m, frame) })
	return nil
}

// presignSpec describes a presigning. It has a session id of its own.
func (e *Engine) presignSpec(a *registry.Account, set []registry.Party, now time.Time) (*protocol.Spec, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	setting := e.presignOf(a)
	life := setting.Life()
	spec := &protocol.Spec{
		Version: protocol.SpecVersion, Network: e.cfg.Network, Kind: protocol.KindPresign, Session: id.String(), Attempt: 1,
		Account: a.ID, Key: a.KeyID, Epoch: a.Epoch, Scheme: a.Scheme, Threshold: a.Threshold.T, Approvers: a.Approvers,
		Coordinator: e.cfg.Mesh.ID(), Owner: a.Owner,
		Expires: now.Add(min(presignTimeout, life/2)).Unix(), HoldUntil: now.Add(life).Unix(),
	}
	for _, p := range set {
		spec.Roster = append(spec.Roster, p.Member())
	}
	return spec, spec.Validate()
}

// work talks to the parties until the presigning is over.
func (s *stock) work(m *presigning, frame []byte) {
	ctx, cancel := context.WithDeadline(s.e.ctx, m.spec.Deadline())
	defer cancel()
	for peer, answered := range m.answered {
		s.e.spawn(func() { s.e.proposeUntil(ctx, answered, peer, frame) })
	}
	select {
	case <-m.over:
	case <-ctx.Done():
	}
	s.finish(m, time.Now())
}

// proposeUntil sends a proposal until it is answered.
func (e *Engine) proposeUntil(ctx context.Context, answered <-chan struct{}, to protocol.PeerID, frame []byte) {
	again := time.NewTicker(resendEvery)
	defer again.Stop()
	for {
		sending, cancel := context.WithTimeout(ctx, sendTimeout)
		err := e.cfg.Mesh.Send(sending, to, protocol.ChannelDispatch, frame)
		cancel()
		if err != nil && ctx.Err() == nil {
			log.Debugw("the proposal of a presigning was not sent", "party", to, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-answered:
			return
		case <-again.C:
		}
	}
}

// finish puts what was made on its account's shelf, or has its parties forget it.
func (s *stock) finish(m *presigning, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wakeUp()
	delete(s.making, m.sid)
	sh := s.of(m.account)
	sh.making--
	if m.failure == nil && m.complete() {
		m.until = m.usable()
		if !now.Before(m.until) {
			m.failure = &presignFailure{code: protocol.CodeExpired, detail: "it took too long, or is not held for long enough"}
		}
	}
	if m.failure == nil && m.complete() {
		sh.ready = append(sh.ready, m.presignature)
		s.ready[m.sid] = m.presignature
		delete(s.pauses, pauseOfAccount(m.account))
		for _, p := range m.parties {
			delete(s.pauses, pauseOfParty(p.Peer))
			delete(s.pauses, silenceOf(pauseOfParty(p.Peer)))
		}
		log.Debugw("presignature made", "account", m.account, "sid", m.sid.Short(), "parties", m.spec.Peers(), "stock", len(sh.ready))
		return
	}
	if s.e.ctx.Err() != nil {
		return // the next process has them forget everything
	}
	if m.failure == nil {
		m.failure = &presignFailure{code: protocol.CodeTimeout, detail: "it was not done in time"}
	}
	log.Infow("presigning failed", "account", m.account, "sid", m.sid.Short(), "party", m.failure.by, "code", m.failure.code, "detail", m.failure.detail)
	s.e.forgetPresignature(m.presignature, "the presigning failed: "+string(m.failure.code))
	s.learn(m, sh, now)
}

// learn makes pauses after a presigning that failed. Who is busy, or stops, says so of
// itself; after anything else other parties are tried, and those who never said that they hold
// it rest: others would wait for them as long.
func (s *stock) learn(m *presigning, sh *shelf, now time.Time) {
	switch m.failure.code {
	case protocol.CodeBusy, protocol.CodeDraining:
		s.rest(pauseOfParty(m.failure.by), now)
		if m.failure.code == protocol.CodeBusy {
			s.makeRoom(m.failure.by, sh)
		}
		return
	case protocol.CodeTimeout:
		for _, p := range m.parties {
			if _, holds := m.held[p.Peer]; !holds {
				s.restLong(silenceOf(pauseOfParty(p.Peer)), now, distrustFirst, distrustMost)
			}
		}
	}
	s.rest(pauseOfAccount(m.account), now)
	s.turnAway(sh, m.spec.Peers()...)
}

// usable returns until when what is held by all may be used.
func (m *presigning) usable() time.Time {
	until := time.Unix(m.spec.HoldUntil, 0)
	for _, of := range m.held {
		if of.Before(until) {
			until = of
		}
	}
	return until.Add(-presignMargin)
}

func (m *presigning) complete() bool { return len(m.held) == len(m.parties) }

// end ends a presigning; nil: all hold it. Only the first call counts.
func (m *presigning) end(f *presignFailure) {
	select {
	case <-m.over:
	default:
		m.failure = f
		close(m.over)
	}
}

// settle marks the proposal as answered.
func (m *presigning) settle(peer protocol.PeerID) {
	select {
	case <-m.answered[peer]:
	default:
		close(m.answered[peer])
	}
}

// receive takes a frame that is about no running attempt, and reports whether it is
// about a presigning.
func (s *stock) receive(from protocol.PeerID, sid protocol.SID, f *protocol.Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.making[sid]
	taken := s.taken[sid]
	isDropped := f.Held != nil && f.Held.Until == 0
	switch {
	case m == nil && isDropped:
		s.dropped(from, sid, time.Now())
		return true
	case m == nil && (taken != nil || s.ready[sid] != nil): // a late copy: its sender must not forget what it holds
		if f.Outcome != nil && f.Outcome.Failure != nil {
			s.e.send(from, protocol.Frame{Ack: &protocol.Ack{SID: sid, Failure: true}})
		}
		return true
	case m == nil && f.Held == nil:
		return false
	case m == nil: // of an earlier process, or too late
		s.e.send(from, protocol.Frame{Cancel: &protocol.Cancel{SID: sid, Reason: "the presigning is over"}})
		return true
	case !m.has(from):
		log.Warnw("a party speaks about a presigning that it is no member of", "party", from, "sid", sid.Short())
		return true
	}
	m.settle(from)
	switch {
	case isDropped: // before the others were done, or just after that
		failure := &presignFailure{from, protocol.CodeBusy, noRoomForIt}
		if m.end(failure); m.failure == nil {
			m.failure = failure // finish has yet to look
		}
	case f.Held != nil:
		m.held[from] = time.Unix(f.Held.Until, 0)
		if m.complete() {
			m.end(nil)
		}
	case f.Answer != nil && f.Answer.Code != "":
		m.end(&presignFailure{from, knownCode(f.Answer.Code), bounded(f.Answer.Detail)})
	case f.Outcome != nil && f.Outcome.Failure != nil:
		failure := f.Outcome.Failure
		for _, b := range s.e.blamesOf(s.e.claims(sid, m.parties, from, failure)) { // counts them
			if b.Proven {
				s.distrust(pauseOfParty(b.Party), time.Now())
			}
		}
		s.e.send(from, protocol.Frame{Ack: &protocol.Ack{SID: sid, Failure: true}})
		m.end(&presignFailure{from, knownCode(failure.Code), bounded(failure.Detail)})
	}
	return true
}
