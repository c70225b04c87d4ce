package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// Receive takes a frame from the dispatch channel; from is the authenticated
// sender. It does not block: what there is no room for is sent again by the
// party that sent it.
func (e *Engine) Receive(from protocol.PeerID, data []byte) {
	f, err := protocol.DecodeFrame(data)
	if err != nil {
		log.Warnw("a frame cannot be read", "party", from, "error", err)
		return
	}
	if f.ShareReply != nil {
		e.replies.take(from, f.ShareReply)
		return
	}
	e.cfg.Pool.Heard(from)
	sid, ok := about(f)
	if !ok {
		log.Warnw("a frame that is for parties came from one", "party", from)
		return
	}
	in := inbound{from, f}
	taken, trouble := e.toAttempt(sid, in)
	if !taken && !e.stock.receive(from, sid, f) {
		trouble = queue(e.late, in)
	}
	if trouble != "" {
		log.Warnw(trouble, "party", from, "sid", sid.Short())
	}
}

// What is wrong with a frame that is not looked at.
const (
	noMember = "a party speaks about a session that it is no member of"
	noRoom   = "a frame was dropped: too many wait"
)

// toAttempt hands a frame to the attempt that it is about, if that runs, and tells what
// was wrong with it. What is in the queue of an attempt came before its end, see handOn.
func (e *Engine) toAttempt(sid protocol.SID, in inbound) (taken bool, trouble string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.attempts[sid]
	if a == nil {
		return false, ""
	}
	m := a.members[in.from]
	if m == nil {
		return true, noMember
	}
	m.heard.Store(time.Now().UnixNano())
	return true, queue(a.in, in)
}

// queue hands a frame over without waiting, and tells if there is no room for it.
func queue(to chan<- inbound, in inbound) (trouble string) {
	select {
	case to <- in:
		return ""
	default:
		return noRoom
	}
}

// handOn lets the outcomes be acknowledged that came while the first of them was on its
// way to the disk. The attempt is not registered any more.
func (e *Engine) handOn(a *attempt) {
	for {
		select {
		case in := <-a.in:
			if in.frame.Outcome == nil {
				continue
			}
			if trouble := queue(e.late, in); trouble != "" { // it will be told again
				log.Warnw(trouble, "party", in.from, "sid", a.sid.Short())
			}
		default:
			return
		}
	}
}

func about(f *protocol.Frame) (protocol.SID, bool) {
	switch {
	case f.Answer != nil:
		return f.Answer.SID, true
	case f.Progress != nil:
		return f.Progress.SID, true
	case f.Outcome != nil:
		return f.Outcome.SID, true
	case f.Held != nil:
		return f.Held.SID, true
	}
	return protocol.SID{}, false
}

// register lets the frames of an attempt come to it. Its parties have been booked.
func (e *Engine) register(a *attempt) {
	if a.presign != nil {
		e.stock.named()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.attempts[a.sid] = a
}

func (e *Engine) unregister(a *attempt) {
	e.mu.Lock()
	delete(e.attempts, a.sid)
	e.recent.note(kindOfWork(&a.req), time.Now())
	e.mu.Unlock()
	e.unbook(a.parties)
}

// takeLate handles a frame about an attempt that does not run.
func (e *Engine) takeLate(in inbound) {
	sid, _ := about(in.frame)
	s := e.cfg.Registry.SessionBySID(sid)
	isFailure := in.frame.Outcome != nil && in.frame.Outcome.Failure != nil // told once
	if s != nil && !s.Status.Finished() && s.SID == sid.String() && !isFailure {
		return // its end is being written, or it is about to be taken up; the party will repeat
	}
	switch {
	case in.frame.Outcome != nil:
		e.lateOutcome(s, in)
	case in.frame.Answer != nil && in.frame.Answer.Code == "" && (s == nil || s.Status != registry.StatusCompleted):
		// It has begun something that is over for everyone else.
		e.send(in.from, protocol.Frame{Cancel: &protocol.Cancel{SID: sid, Reason: "the session is over"}})
	}
}

// lateOutcome logs an outcome that no attempt waits for, then acknowledges it.
func (e *Engine) lateOutcome(s *registry.Session, in inbound) {
	out := in.frame.Outcome
	if s == nil && e.isEarly(in.from, out) {
		return // the party will repeat
	}
	then := e.whenDurable(in.from, &protocol.Ack{SID: out.SID, Failure: out.Failure != nil})
	if told(s, in.from, out) || e.cfg.Registry.HasLate(out.SID, in.from, out.Failure != nil) {
		then(nil) // what the registry shows is durable
		return
	}
	sid := out.SID.String()
	if !e.writing.start(sid, in.from) {
		return // a copy of one that is on its way to the disk
	}
	var events []registry.Event
	if event, keep := e.lateEvent(s, in.from, out); keep {
		event.SID, event.Party = sid, in.from
		events = append(events, event)
	}
	e.cfg.Registry.Note(func(err error) {
		e.writing.end(sid, in.from)
		then(err)
	}, events...)
}

// told reports whether the log has an outcome already: what came is a copy, sent
// before the acknowledgement arrived, or another member's of a signature that is known.
func told(s *registry.Session, from protocol.PeerID, out *protocol.Outcome) bool {
	if s == nil || s.SID != out.SID.String() {
		return false
	}
	state := registry.StateFinished
	if out.Failure != nil {
		state = registry.StateFailed
	}
	return slices.ContainsFunc(s.Members, func(m registry.Member) bool { return m.Peer == from && m.State == state })
}

// inFlight are the late outcomes that are on their way to the disk.
type inFlight struct {
	mu  sync.Mutex
	set map[[2]string]bool
}

func (f *inFlight) start(sid string, party protocol.PeerID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := [2]string{sid, party}
	if f.set[key] {
		return false
	}
	if f.set == nil {
		f.set = make(map[[2]string]bool)
	}
	f.set[key] = true
	return true
}

func (f *inFlight) end(sid string, party protocol.PeerID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.set, [2]string{sid, party})
}

// lateEvent says what to keep of a late outcome, if anything. A record of a
// session that is not complete is kept whole: it may be all that is known of a
// key.
func (e *Engine) lateEvent(s *registry.Session, from protocol.PeerID, out *protocol.Outcome) (event registry.Event, keep bool) {
	if out.Failure != nil {
		return e.lateFailure(s, from, out)
	}
	body := &out.Record.Body
	if body.Party != from || body.Spec.SID() != out.SID || out.Record.Verify(e.cfg.Verify) != nil {
		log.Warnw("a late record is not what it claims to be", "party", from, "sid", out.SID.Short())
		return event, false
	}
	if !e.ours(s, from, &body.Spec) {
		log.Warnw("a late record is not of a session of this coordinator", "party", from, "sid", out.SID.Short())
		return event, false
	}
	event = registry.Event{Stream: registry.OrphanStream(out.SID), Type: registry.OutcomeOrphaned, Attempt: body.Spec.Attempt}
	if s != nil {
		event.Stream, event.Type = registry.SessionStream(s.ID), registry.OutcomeLate
	}
	if s == nil || s.Status != registry.StatusCompleted {
		encoded, err := protocol.Marshal(out.Record)
		if err != nil {
			return event, false
		}
		event.Outcome = &registry.Outcome{Record: encoded}
	}
	return event, true
}

// lateFailure keeps what a member of an attempt says that has ended: it may blame
// somebody.
func (e *Engine) lateFailure(s *registry.Session, from protocol.PeerID, out *protocol.Outcome) (event registry.Event, keep bool) {
	if _, party := e.cfg.Pool.Party(from); s == nil || !party && !isMember(s, from) {
		return event, false // strangers are not worth a look into the log
	}
	attempt, roster := e.rosterOf(s, out.SID)
	if !slices.ContainsFunc(roster, func(p registry.Party) bool { return p.Peer == from }) {
		return event, false
	}
	return registry.Event{
		Stream: registry.SessionStream(s.ID), Type: registry.OutcomeLate, Attempt: attempt, Code: string(knownCode(out.Failure.Code)),
		Detail: bounded(out.Failure.Detail), Blames: e.blamesOf(e.claims(out.SID, roster, from, out.Failure)),
	}, true
}

// ours reports whether a record may be kept. Anyone can sign a record of a session
// that never was: of an unknown one only parties of the network are believed.
func (e *Engine) ours(s *registry.Session, from protocol.PeerID, spec *protocol.Spec) bool {
	if spec.Network != e.cfg.Network || spec.Coordinator != e.cfg.Mesh.ID() {
		return false
	}
	if s != nil {
		return isMember(s, from)
	}
	_, party := e.cfg.Pool.Party(from)
	return party
}

// isEarly reports whether a record of an unknown session comes from a party whose
// heartbeat has not come since the start. It must not be acknowledged before it is
// known whether it is to be kept: the party would forget it. Users' devices have no
// heartbeat.
func (e *Engine) isEarly(from protocol.PeerID, out *protocol.Outcome) bool {
	if _, known := e.cfg.Pool.Party(from); known || out.Record == nil {
		return false
	}
	return !slices.ContainsFunc(out.Record.Body.Spec.Roster, func(m protocol.Member) bool { return m.Peer == from && m.Role == protocol.External })
}

func isMember(s *registry.Session, peer protocol.PeerID) bool {
	return slices.ContainsFunc(s.Members, func(m registry.Member) bool { return m.Peer == peer })
}

// rosterOf returns the number and the parties of a session's attempt. Those of
// earlier ones are in the log alone.
func (e *Engine) rosterOf(s *registry.Session, sid protocol.SID) (attempt uint32, parties []registry.Party) {
	if s.SID == sid.String() {
		for _, m := range s.Members {
			parties = append(parties, m.Party)
		}
		return s.Attempt, parties
	}
	events, err := e.cfg.Registry.Events(registry.SessionStream(s.ID), 0, maxLogged)
	if err != nil {
		log.Errorw("the events of a session could not be read", "session", s.ID, "error", err)
	}
	for _, event := range events {
		if event.Type == registry.AttemptStarted && event.SID == sid.String() {
			return event.Attempt, event.Start.Parties
		}
	}
	return 0, nil
}

// maxLogged bounds the events in which an attempt of a session is looked for.
const maxLogged = 1000
