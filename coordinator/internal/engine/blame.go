package engine

import (
	"slices"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// maxLoggedEvidence bounds, in bytes, the evidence that goes into the log. A party whose
// false digest is larger was proven wrong all the same, and the whole evidence is
// at the party that saw it.
const maxLoggedEvidence = 32 << 10

// reasons are those that this version knows; another one becomes a word of its
// own, because it ends up in the log, in answers and in metrics.
var reasons = []protocol.Reason{
	protocol.ReasonContradiction, protocol.ReasonFalseDigest, protocol.ReasonMessage, protocol.ReasonValue, protocol.ReasonProof,
	protocol.ReasonContribution, protocol.ReasonConfirmation, protocol.ReasonUnattributed, protocol.ReasonPanic, registry.ReasonQuarantined,
}

func knownReason(r protocol.Reason) protocol.Reason {
	if !slices.Contains(reasons, r) {
		return "unknown_reason"
	}
	return r
}

// claim is what one member says of another's part in a failure. Unless it is
// proven it is one party's word against another's: an honest party may be
// accused, so it costs both sides the same (see suspects).
type claim struct {
	registry.Blame
	by  protocol.PeerID
	why string // a proof in words
}

// claims reads what a failure says of other members. Evidence is verified here,
// so that a proof counts whoever brings it; what nobody could have seen, such as
// evidence of another attempt, counts for nothing.
func (e *Engine) claims(sid protocol.SID, roster []registry.Party, by protocol.PeerID, f *protocol.Failure) (claims []claim) {
	accuses := f.Code == protocol.CodeProtocol || f.Code == protocol.CodeDisagreement // any other is of the reporter alone
	accuse := func(peer protocol.PeerID) *claim {
		for i := range claims {
			if claims[i].Party == peer {
				return &claims[i]
			}
		}
		claims = append(claims, claim{Blame: registry.Blame{Party: peer, Reason: knownReason(f.Reason)}, by: by})
		return &claims[len(claims)-1]
	}
	for _, p := range roster {
		if accuses && p.Peer != by && slices.Contains(f.Culprits, p.Peer) {
			accuse(p.Peer)
		}
	}
	v := f.Evidence
	switch {
	case v == nil:
		return claims
	case v.SID != sid, v.Culprit == by, !slices.ContainsFunc(roster, func(p registry.Party) bool { return p.Peer == v.Culprit }):
		log.Warnw("a party sent evidence about something else than another member of the session", "party", by, "sid", sid.Short())
		return claims
	}
	finding, err := v.Verify(e.cfg.Verify)
	if err != nil {
		log.Warnw("a party sent evidence that does not hold", "party", by, "sid", sid.Short(), "error", err)
		return claims
	}
	if !finding.Proven && !accuses {
		return claims
	}
	c := accuse(finding.Culprit)
	c.Reason, c.Proven, c.why, c.Evidence = knownReason(finding.Reason), finding.Proven, bounded(finding.Why), encodeEvidence(v)
	return claims
}

// encodeEvidence returns evidence as the log keeps it, nil if that is too long.
func encodeEvidence(v *protocol.Evidence) []byte {
	brief := *v.Brief()
	brief.Detail = bounded(brief.Detail)
	data, err := protocol.Marshal(brief)
	if err != nil || len(data) > maxLoggedEvidence {
		return nil
	}
	return data
}

// blamesOf returns claims as an event carries them, and counts them.
func (e *Engine) blamesOf(claims []claim) (blames []registry.Blame) {
	for _, c := range claims {
		blames = append(blames, c.Blame)
		if e.cfg.Blamed != nil {
			e.cfg.Blamed(string(c.Reason), c.Proven)
		}
	}
	return blames
}

// concerned returns the members that claims are about, for the problem: with a
// proof among them only those that are proven, for then the rest may be a
// diversion.
func (a *attempt) concerned(claims []claim) (list []registry.PartyProblem) {
	proven := slices.ContainsFunc(claims, func(c claim) bool { return c.Proven })
	for _, c := range claims {
		if c.Proven != proven || slices.ContainsFunc(list, func(p registry.PartyProblem) bool { return p.Peer == c.Party }) {
			continue
		}
		list = append(list, a.convict(c))
	}
	return list
}

// convict says in a problem what a claim says.
func (a *attempt) convict(c claim) registry.PartyProblem {
	p := registry.PartyProblem{Party: a.members[c.Party].Party, Code: protocol.CodeProtocol, Reason: c.Reason}
	by := a.members[c.by]
	switch {
	case c.Proven:
		p.Detail = "its own signatures prove it: " + c.why
	case c.Reason == registry.ReasonQuarantined:
		p.Code, p.Detail = protocol.CodeQuarantined, "party "+by.Name+" has it in quarantine: "+by.said
	default:
		p.Detail = "party " + by.Name + " blames it: " + by.said
	}
	return p
}

// count adds what an attempt has shown of its members to how it ended: proven
// ones are at fault, and who accuses whom must not sign with them again.
func (a *attempt) count(end ending) ending {
	if end.done || end.stopped || end.ended {
		return end
	}
	end.final = a.isCertified()
	end.quits, end.waits = a.quitters(), a.waits()
	for _, c := range a.claimed {
		if c.Proven {
			end.proven = append(end.proven, a.convict(c))
			continue
		}
		end.pairs = append(end.pairs, pairOf(c.Party, c.by))
	}
	end.pinned = a.isPinned(&end)
	if len(a.claimed) == 0 {
		return end
	}
	if concerned := a.concerned(a.claimed); end.problem.Code == registry.CodeCeremonyFailed || len(end.problem.Parties) == 0 {
		own := *end.problem
		own.Parties = concerned
		if len(end.proven) > 0 {
			own.Detail = "party " + concerned[0].Name + " broke the protocol: " + concerned[0].Detail
		}
		end.problem = &own
	}
	return end
}

// isPinned reports whether members of a keygen that go on have begun to save their
// shares. What the others say that they have saved holds up nobody.
func (a *attempt) isPinned(end *ending) bool {
	out := func(m *member) bool {
		return slices.ContainsFunc(slices.Concat(end.faults, end.proven), func(p registry.PartyProblem) bool { return p.Peer == m.Peer })
	}
	return a.saving && a.any(func(m *member) bool { return m.saves && !out(m) })
}

// avoided says because of whom a member refuses, as far as it says so: another
// one that it has in quarantine. It is its word, too.
func (a *attempt) avoided(m *member, ans *protocol.Answer) (claims []claim) {
	if ans.Code != protocol.CodeQuarantined {
		return nil
	}
	for _, p := range a.parties {
		if p.Peer != m.Peer && slices.Contains(ans.Peers, p.Peer) {
			claims = append(claims, claim{Blame: registry.Blame{Party: p.Peer, Reason: registry.ReasonQuarantined}, by: m.Peer})
		}
	}
	return claims
}
