package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// failure takes what a member says when it gives up.
func (a *attempt) failure(ctx context.Context, m *member, f *protocol.Failure) *ending {
	m.settle()
	a.cameBack(m)
	if m.finished || m.rejected || m.failed { // a copy, or of no interest any more
		a.e.cfg.Registry.Note(a.e.ackFailure(m.Peer, a.sid))
		return nil
	}
	f.Code = knownCode(f.Code)
	m.failed, m.said = true, bounded(f.Detail)
	claims := a.e.claims(a.sid, a.parties, m.Peer, f)
	a.claimed = append(a.claimed, claims...)
	a.suspect(m, f, claims)
	a.e.cfg.Registry.Note(a.e.ackFailure(m.Peer, a.sid), a.event(registry.Event{
		Type: registry.PartyFailed, Party: m.Peer, Code: string(f.Code), Detail: m.said, Blames: a.e.blamesOf(claims),
	}))
	if f.Code == protocol.CodeCrashed {
		a.believe(m)
	}
	end := &ending{problem: &registry.Problem{Code: registry.CodeCeremonyFailed, Detail: "party " + m.Name + " reports " + string(f.Code) + ": " + m.said}}
	own := registry.PartyProblem{Party: m.Party, Code: f.Code, Detail: m.said}
	switch f.Code {
	case protocol.CodeProtocol, protocol.CodeDisagreement, protocol.CodeTimeout, protocol.CodeUnreachable, protocol.CodeCancelled:
		// nobody is known to be at fault, unless others say so
	case protocol.CodeCrashed: // it is back, and not to blame for what may have made it crash
		end.problem.Parties = []registry.PartyProblem{own}
	default: // what it says of itself
		end.problem.Parties, end.faults = []registry.PartyProblem{own}, []registry.PartyProblem{own}
	}
	return a.conclude(ctx, m, f.Code, end)
}

// believe drops the doubt that a member has refused, for it has crashed. What others have said stays.
func (a *attempt) believe(m *member) {
	if m != a.doubted {
		return
	}
	a.doubt, a.doubted = nil, nil
	if a.verdict == nil {
		a.grace, a.long = nil, false
	}
}

// isPending reports whether the attempt is about to end.
func (a *attempt) isPending() bool { return a.verdict != nil || a.doubt != nil }

// final is how an attempt ends that is about to; nil: it is not.
func (a *attempt) final() *ending {
	if a.doubt == nil || a.verdict == nil {
		return cmp.Or(a.doubt, a.verdict)
	}
	return a.doubt.and(a.verdict)
}

// and joins what has come later to an ending. The first problem is told unless the later one names more.
func (end *ending) and(later *ending) *ending {
	if len(later.problem.Parties) <= len(end.problem.Parties) { // it names nobody new
		later.problem = end.problem
	}
	later.faults, later.crashed = slices.Concat(end.faults, later.faults), later.crashed && end.crashed
	return later
}

// crashed takes a signer's answer that it had accepted the proposal, and that nothing is left of that: its
// process has ended, or its outcome was told once and is lost. Nobody is at fault. The others may
// have the signature all the same, and are about to tell it.
func (a *attempt) crashed(ctx context.Context, m *member, detail string) *ending {
	m.failed, m.said = true, detail
	m.quits++ // its own word
	a.note(registry.Event{Type: registry.PartyFailed, Party: m.Peer, Code: string(protocol.CodeCrashed), Detail: detail})
	a.believe(m)
	return a.conclude(ctx, m, protocol.CodeCrashed, &ending{crashed: true, problem: &registry.Problem{
		Code: registry.CodeCeremonyFailed, Parties: []registry.PartyProblem{{Party: m.Party, Code: protocol.CodeCrashed, Detail: detail}},
		Detail: "party " + m.Name + " reports " + string(protocol.CodeCrashed) + ": " + detail,
	}})
}

// lose takes note that a member is gone, which does no harm if it has delivered,
// or its signature is on a certificate that another member has delivered: its
// share is on its disk then, and it may come back.
func (a *attempt) lose(ctx context.Context, peer protocol.PeerID) *ending {
	m := a.members[peer]
	if m.finished || m.failed {
		return nil
	}
	fault := registry.PartyProblem{Party: m.Party, Code: protocol.CodeUnreachable, Detail: "it stopped answering"}
	m.lost, m.said = true, fault.Detail
	a.note(registry.Event{Type: registry.PartyLost, Party: peer, Detail: fault.Detail})
	if a.isCertified() {
		return nil
	}
	return a.conclude(ctx, m, protocol.CodeUnreachable, &ending{
		problem: &registry.Problem{
			Code: registry.CodePartyLost, Parties: []registry.PartyProblem{fault},
			Detail: "party " + m.Name + " stopped answering while the session ran",
		},
		faults: []registry.PartyProblem{fault},
	})
}

// isCertified reports whether a member of a keygen has delivered the certificate:
// then every member has its share on disk, and the others' records will come.
func (a *attempt) isCertified() bool {
	return a.spec.Kind == protocol.KindKeygen && a.any(func(m *member) bool { return m.finished })
}

func (a *attempt) any(holds func(*member) bool) bool {
	for _, m := range a.members {
		if holds(m) {
			return true
		}
	}
	return false
}

// Times for what comes after a failure.
const (
	blameGrace  = 300 * time.Millisecond // for the other members to say whom they blame
	returnGrace = 20 * time.Second       // for a member of a keygen that was lost to come back
	settleTime  = 3 * time.Second        // for the members of a keygen to find out what they have saved
)

// conclude ends the attempt: at once or, when others may have something to say
// that is worth it, a little later. The first failure that names somebody is nearest to
// the cause: it is the one that is told.
func (a *attempt) conclude(ctx context.Context, m *member, code protocol.Code, end *ending) *ending {
	switch {
	case a.saving, a.isCertified():
		a.interrupt(ctx, m, code, end)
		return nil
	case a.verdict != nil:
		a.verdict = a.verdict.and(end)
	case a.doubt != nil:
		a.verdict = end
	case code == protocol.CodeProtocol, code == protocol.CodeDisagreement, end.crashed:
		a.verdict = end
		a.wait()
	default:
		return end
	}
	if a.any(a.mayTell) {
		return nil
	}
	return a.final()
}

// mayTell reports whether something that matters may still come from a member.
func (a *attempt) mayTell(m *member) bool {
	return !m.finished && !m.failed && !m.rejected && !m.lost && !a.isProven(m)
}

// wait gives the others time for what they have to say. Signers may have the signature and, after a
// restart of the coordinator, not be connected yet.
func (a *attempt) wait() {
	a.grace, a.long = time.After(blameGrace), false
	if left := time.Until(a.quiet); left > blameGrace && a.isMissing() {
		a.grace, a.long = time.After(left), true
	}
}

// isMissing reports whether a signer of a resumed attempt has not come back yet.
func (a *attempt) isMissing() bool {
	return a.resumed && a.spec.Kind == protocol.KindSign && a.any(func(m *member) bool { return a.mayTell(m) && !m.back })
}

// cameBack takes note that a member has said what is left of a resumed attempt. When all have, nobody is
// waited for any longer than usual.
func (a *attempt) cameBack(m *member) {
	m.back = true
	if a.long && !a.isMissing() {
		a.grace, a.long = time.After(blameGrace), false
	}
}

// isProven reports whether nothing that a member could still say would matter.
func (a *attempt) isProven(m *member) bool {
	return slices.ContainsFunc(a.claimed, func(c claim) bool { return c.Proven && c.Party == m.Peer })
}

// interrupt breaks off a keygen some of whose members have a share on disk
// already. Nobody else can take their place: the members find out among themselves
// whether all of them can have it, once the session is over for them and who was
// lost is back. Then records complete it, or the same members try once more.
func (a *attempt) interrupt(ctx context.Context, m *member, code protocol.Code, end *ending) {
	if a.verdict == nil {
		a.verdict, a.grace = end, time.After(settleTime)
		a.cancel(end.problem.Code)
	} else {
		a.verdict.faults = slices.Concat(a.verdict.faults, end.faults)
	}
	if a.isCertified() && (code == protocol.CodeCrashed || code == protocol.CodeDraining) { // it will deliver once it is back
		a.grace = time.After(returnGrace)
	}
	if !m.lost {
		return
	}
	if a.missed++; a.missed == 1 {
		a.grace = time.After(returnGrace)
	}
	a.e.spawn(func() {
		for ctx.Err() == nil {
			trying, stop := context.WithTimeout(ctx, pingEvery) // a ping of a host that is gone may take for ever
			found := a.e.reach(trying, m.Party)
			stop()
			if found {
				a.back <- m.Peer // has room for every member
				return
			}
		}
	})
}

// returned takes note that a member that was lost answers again.
func (a *attempt) returned(peer protocol.PeerID) {
	a.verdict.faults = slices.DeleteFunc(slices.Clone(a.verdict.faults), func(p registry.PartyProblem) bool {
		return p.Peer == peer && p.Code == protocol.CodeUnreachable
	})
	if a.missed--; a.missed == 0 {
		a.grace = time.After(settleTime)
	}
}
