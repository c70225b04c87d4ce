package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// attempt is one attempt of a session. Its run owns everything that is not
// atomic or a channel.
type attempt struct {
	e        *Engine
	session  string
	req      registry.NewSession
	spec     *protocol.Spec
	sid      protocol.SID
	parties  []registry.Party // the roster, in order
	members  map[protocol.PeerID]*member
	deadline time.Time
	resumed  bool
	asked    bool          // its parties were pinged before it began
	share    string        // the user's, for the delegate
	presign  *presignature // nil: all rounds

	in     chan inbound
	lost   chan protocol.PeerID // parties that answer no pings
	absent chan protocol.PeerID // the same, of those that have shown nothing at all since the attempt began
	broken chan error           // attempt.started could not be written
	begun  *registry.Batch      // attempt.started; nil: it is in the log since before a restart

	claimed []claim // what members say of each other
	verdict *ending // how it ends, once grace is over
	doubt   *ending // the same, if doubted, who refused, does not say that it has crashed; see final
	doubted *member
	grace   <-chan time.Time     // for what others have to say; nil without a verdict or doubt
	long    bool                 // grace is for those, too, who have not come back since the restart
	quiet   time.Time            // after a restart: until then somebody may just not be connected yet
	saving  bool                 // keygen: members have begun to save their shares
	missed  int                  // members that were lost since
	back    chan protocol.PeerID // one of them answers again
}

// member is a party of a running attempt.
type member struct {
	registry.Party
	answered chan struct{} // closed with the first answer or anything that implies one
	heard    atomic.Int64  // Unix nanoseconds of its last frame

	accepted bool
	finished bool   // its record is in the log, or on its way there
	rejected bool   // its record was wrong
	failed   bool   // it has given up
	lost     bool   // it answers no pings
	back     bool   // it has said since the restart what is left of the attempt: a result would be here in a moment
	said     string // why it has failed
	told     bool   // it has given a reason of its own for that
	far      bool   // keygen: it is in the last round, or beyond
	saves    bool   // keygen: it has begun to save its share, as it says
	quits    int    // how many say that it gave up
	progress protocol.Progress
	digest   []byte // keygen: of the certificate that it delivered
}

// inboxSize holds what the parties of a session may send while its goroutine
// waits for the disk.
const inboxSize = 256

// newAttempt makes the next attempt with these parties, which have been booked.
func (r *runner) newAttempt(parties []registry.Party) (*attempt, error) {
	spec, err := r.newSpec(parties)
	if err != nil {
		return nil, err
	}
	a := &attempt{
		e: r.e, session: r.id, req: r.req, spec: spec, sid: spec.SID(), parties: parties, deadline: spec.Deadline(), share: r.userShare,
		members: make(map[protocol.PeerID]*member, len(parties)), in: make(chan inbound, inboxSize),
		lost: make(chan protocol.PeerID, len(parties)), broken: make(chan error, 1), back: make(chan protocol.PeerID, len(parties)),
		absent: make(chan protocol.PeerID, len(parties)), asked: r.asked,
	}
	for _, p := range parties {
		a.members[p.Peer] = &member{Party: p, answered: make(chan struct{})}
	}
	a.presign, r.presign = r.presign, nil // it is named now
	return a, nil
}

// prepare writes the beginning of an attempt down, with what goes before it, and
// lets its parties' frames come. The disk works while the proposal travels.
func (r *runner) prepare(a *attempt, before ...registry.Event) error {
	encoded, err := protocol.Marshal(a.spec)
	if err != nil {
		return err
	}
	a.begun = a.e.cfg.Registry.Begin(append(before, registry.Event{
		Stream: registry.SessionStream(a.session), Type: registry.AttemptStarted, Attempt: a.spec.Attempt,
		SID: a.sid.String(), Start: &registry.Start{Spec: encoded, Parties: a.parties, Presign: a.isPresigned()},
	})...)
	tell := log.Infow
	if a.spec.Kind == protocol.KindSign && a.spec.Attempt == 1 { // how it ended is told in a moment
		tell = log.Debugw
	}
	tell("attempt started", "session", a.session, "sid", a.sid.Short(), "kind", a.spec.Kind, "attempt", a.spec.Attempt, "parties", a.spec.Peers())
	a.e.register(a)
	a.e.spawn(func() {
		if err := a.begun.WaitWithin(a.gather()); err != nil {
			a.broken <- err
		}
	})
	return nil
}

// gatherTime is how long the beginning of a signing is not written, so that its end
// may be in the same transaction: a fast one costs one write to the disk.
const gatherTime = 10 * time.Millisecond

// gather returns how long the attempt's beginning may wait for more to be written.
func (a *attempt) gather() time.Duration {
	if a.spec.Kind == protocol.KindSign {
		return gatherTime
	}
	return 0
}

// run talks to the parties until the attempt has ended.
func (a *attempt) run(ctx context.Context) ending {
	ctx, cancel := context.WithDeadline(ctx, a.deadline)
	defer cancel()
	a.pickUp()
	if err := a.invite(ctx); err != nil {
		log.Errorw("a proposal could not be encoded", "session", a.session, "error", err)
		return ending{problem: &registry.Problem{Code: registry.CodeInternal, Detail: "the proposal could not be encoded"}}
	}
	for {
		if end := a.next(ctx); end != nil {
			return a.count(*end)
		}
	}
}

// next waits for the next thing to happen, and returns how the attempt ends, if
// it does.
func (a *attempt) next(ctx context.Context) *ending {
	select {
	case <-ctx.Done():
		switch {
		case a.e.ctx.Err() != nil:
			return &ending{stopped: true}
		case wasCancelled(ctx):
			return &ending{ended: true}
		}
		return cmp.Or(a.final(), a.expired())
	case err := <-a.broken:
		log.Errorw("an attempt could not be recorded", "session", a.session, "error", err)
		return &ending{problem: &registry.Problem{Code: registry.CodeStorage, Detail: "the coordinator could not record the session: its disk may be full"}}
	case peer := <-a.lost:
		return a.lose(ctx, peer)
	case peer := <-a.absent:
		return a.miss(peer)
	case peer := <-a.back:
		a.returned(peer)
		return nil
	case <-a.grace:
		return a.final()
	case in := <-a.in:
		return a.take(ctx, in)
	}
}

// take handles one frame of a member.
func (a *attempt) take(ctx context.Context, in inbound) *ending {
	m := a.members[in.from]
	switch f := in.frame; {
	case f.Answer != nil:
		return a.answer(ctx, m, f.Answer)
	case f.Progress != nil:
		a.advance(m, f.Progress)
	case f.Outcome != nil && f.Outcome.Failure != nil:
		return a.failure(ctx, m, f.Outcome.Failure)
	case f.Outcome != nil:
		return a.record(m, f.Outcome.Record)
	}
	return nil
}

func (a *attempt) answer(ctx context.Context, m *member, ans *protocol.Answer) *ending {
	askedAgain := a.resumed && m.accepted && a.spec.Kind == protocol.KindSign
	if askedAgain && isPassing(ans.Code) {
		return nil // and so it is once more
	}
	m.settle()
	if ans.Code == "" || ans.Code == protocol.CodeCrashed || ans.Code == protocol.CodeNoPresign {
		a.cameBack(m)
	}
	switch {
	case m.finished, m.failed:
		return nil
	case ans.Code == "":
		if !m.accepted {
			m.accepted = true
			a.note(registry.Event{Type: registry.PartyAccepted, Party: m.Peer})
		}
		return nil
	case a.resumed && ans.Code == protocol.CodeReplay:
		return nil // it knew the proposal from before the restart: its outcome will come
	case a.spec.Kind == protocol.KindSign && ans.Code == protocol.CodeCrashed:
		return a.crashed(ctx, m, bounded(ans.Detail))
	case askedAgain && ans.Code != protocol.CodeNoPresign:
		return nil // whatever it cannot do now, it had accepted: its outcome will come
	}
	fault := registry.PartyProblem{Party: m.Party, Code: knownCode(ans.Code), Detail: bounded(ans.Detail)}
	if ans.Code == protocol.CodeBusy {
		return a.hasNoRoom(m, fault)
	}
	claims := a.avoided(m, ans)
	m.said, a.claimed = fault.Detail, append(a.claimed, claims...)
	a.note(registry.Event{Type: registry.PartyRefused, Party: m.Peer, Code: string(fault.Code), Detail: fault.Detail, Blames: a.e.blamesOf(claims)})
	if len(claims) > 0 { // the two are kept apart
		return &ending{problem: &registry.Problem{
			Code: registry.CodePartyRefused, Parties: append([]registry.PartyProblem{fault}, a.concerned(claims)...),
			Detail: "party " + m.Name + " refused: " + fault.Detail,
		}}
	}
	end := &ending{
		problem: &registry.Problem{
			Code: registry.CodePartyRefused, Parties: []registry.PartyProblem{fault},
			Detail: "party " + m.Name + " refused: " + fault.Detail,
		},
		faults: []registry.PartyProblem{fault},
	}
	switch doubtful := a.mayHaveSigned(ans.Code); {
	case doubtful && !a.isPending(): // then it, or another one, says so in a moment
		a.doubt, a.doubted = end, m
		a.wait()
		return nil
	case doubtful && a.resumed: // all of them may have
		return nil
	}
	return end
}

// isPassing reports whether a party that refuses for this reason may do what it is asked for a moment later.
func isPassing(refused protocol.Code) bool {
	return refused == protocol.CodeBusy || refused == protocol.CodeDraining || refused == protocol.CodeStorage
}

// mayHaveSigned reports whether a signer that refuses with this code may have accepted before, without a word: it
// has crashed since, or has used the presignature up while the coordinator was away.
func (a *attempt) mayHaveSigned(refused protocol.Code) bool {
	return a.spec.Kind == protocol.KindSign && (refused == protocol.CodeReplay || a.resumed && refused == protocol.CodeNoPresign)
}

// hasNoRoom ends an attempt because a party has too much to do, which is nobody's fault.
func (a *attempt) hasNoRoom(m *member, fault registry.PartyProblem) *ending {
	m.said = fault.Detail
	a.note(registry.Event{Type: registry.PartyRefused, Party: m.Peer, Code: string(fault.Code), Detail: fault.Detail})
	return &ending{again: true, crowded: m.Peer, problem: &registry.Problem{
		Code: registry.CodePartyRefused, Parties: []registry.PartyProblem{fault}, Detail: "party " + m.Name + " has no room for one more session: " + fault.Detail,
	}}
}

// miss ends an attempt whose parties were not pinged because one of them was gone. It is not
// blamed for that: whether it is back is asked before the next attempt.
func (a *attempt) miss(peer protocol.PeerID) *ending {
	m := a.members[peer]
	if m.heard.Load() != 0 || a.isPending() {
		return nil
	}
	fault := registry.PartyProblem{Party: m.Party, Code: protocol.CodeUnreachable, Detail: "it does not answer"}
	m.lost, m.said = true, fault.Detail
	a.note(registry.Event{Type: registry.PartyLost, Party: peer, Detail: fault.Detail})
	return &ending{again: true, absent: true, problem: &registry.Problem{
		Code: registry.CodePartyLost, Parties: []registry.PartyProblem{fault}, Detail: "party " + m.Name + " does not answer",
	}}
}

func (a *attempt) advance(m *member, p *protocol.Progress) {
	m.settle()
	if m.finished || !plausible(p) {
		return
	}
	forward := cmp.Or(cmp.Compare(slices.Index(phases, p.Phase), slices.Index(phases, m.progress.Phase)), cmp.Compare(p.Round, m.progress.Round)) > 0
	m.progress.Missing = p.Missing
	a.noteSaving(m, p)
	if forward { // a party that goes back and forth would fill the log
		m.progress = *p
		a.note(registry.Event{Type: registry.PartyProgress, Party: m.Peer, Phase: p.Phase, Round: p.Round, Rounds: p.Rounds})
	}
}

// noteSaving takes note of how far a member of a keygen says it is. Shares are saved
// after the last round, so that nobody is believed who says so while most are not there yet.
func (a *attempt) noteSaving(m *member, p *protocol.Progress) {
	m.saves = m.saves || p.Phase == protocol.PhaseConfirm
	m.far = m.far || m.saves || p.Phase == protocol.PhaseDone || p.Rounds > 0 && p.Round == p.Rounds
	far := 0
	for _, other := range a.members {
		if other.far {
			far++
		}
	}
	a.saving = a.saving || a.spec.Kind == protocol.KindKeygen && 2*far > len(a.members) && a.any(func(m *member) bool { return m.saves })
}

// phases are what a party can say of itself, in order.
var phases = []protocol.Phase{protocol.PhaseAccepted, protocol.PhaseReady, protocol.PhaseRounds, protocol.PhaseConfirm, protocol.PhaseDone, protocol.PhaseFailed}

// maxRounds is more than any ceremony has.
const maxRounds = 64

// plausible refuses reports that no honest party makes.
func plausible(p *protocol.Progress) bool {
	return slices.Contains(phases, p.Phase) && 0 <= p.Round && p.Round <= p.Rounds && p.Rounds <= maxRounds && len(p.Missing) <= protocol.MaxParties
}

// knownCode returns a code that a party gave as a reason, or the word for one that
// this version does not know: it ends up in the log and in answers.
func knownCode(c protocol.Code) protocol.Code {
	if c == "" || len(c) > maxCode || strings.Trim(string(c), "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "unknown_code"
	}
	return c
}

const maxCode = 40 // bytes

// expired blames who never answered the coordinator. Whom others waited for is
// told, but that is their word: who is gone is known by pings.
func (a *attempt) expired() *ending {
	var faults, named []registry.PartyProblem
	for _, p := range a.parties {
		switch m := a.members[p.Peer]; {
		case m.finished, m.failed, m.lost:
		case !m.accepted && m.heard.Load() == 0:
			faults = append(faults, registry.PartyProblem{Party: p, Code: protocol.CodeTimeout, Detail: "it never answered"})
		default:
			if by := a.waitingFor(p.Peer); len(by) > 0 {
				named = append(named, registry.PartyProblem{Party: p, Code: protocol.CodeTimeout, Detail: "by the word of " + namesOf(by) + ", which waited for its messages"})
			}
		}
	}
	return &ending{
		timeout: true, faults: faults,
		problem: &registry.Problem{
			Code: registry.CodeSessionTimeout, Parties: slices.Concat(faults, named),
			Detail: "the session did not finish by its deadline",
		},
	}
}

// note hands over an event about this attempt.
func (a *attempt) note(e registry.Event) { a.e.cfg.Registry.Note(nil, a.event(e)) }

func (a *attempt) event(e registry.Event) registry.Event {
	e.Stream, e.SID, e.Attempt = registry.SessionStream(a.session), a.sid.String(), a.spec.Attempt
	return e
}

// settle marks the proposal as answered.
func (m *member) settle() {
	select {
	case <-m.answered:
	default:
		close(m.answered)
	}
}

// bounded cuts a text that a party sent to what a log should hold.
func bounded(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…" // JSON would change half a character
	}
	return s
}
