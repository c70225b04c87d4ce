package engine

import (
	"slices"
	"strings"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// suspect notes who a failure says gave up, and whether the member itself gives a
// reason. An abort may have every reason, which its author tells the coordinator;
// who has none is left out first.
func (a *attempt) suspect(m *member, f *protocol.Failure, claims []claim) {
	switch {
	case f.Code == protocol.CodeCrashed: // its own word
		m.quits++
	case len(claims) > 0:
		m.told = true
	case f.Code == protocol.CodeCancelled: // says nothing of why
	case f.Code != protocol.CodeProtocol:
		m.told = true
	default:
		other := a.members[f.GaveUp]
		if other != nil && other != m {
			other.quits++
		}
		m.told = f.GaveUp == "" && f.Reason != ""
	}
}

// quitters returns who gave up and has told no reason, and how many say so.
func (a *attempt) quitters() map[protocol.PeerID]int {
	quits := make(map[protocol.PeerID]int)
	for peer, m := range a.members {
		if m.quits > 0 && !m.told && !m.finished {
			quits[peer] = m.quits
		}
	}
	return quits
}

// waits returns which members say that they wait for which others.
func (a *attempt) waits() (pairs []pair) {
	for _, p := range a.parties {
		if m := a.members[p.Peer]; m.finished || m.lost {
			continue
		}
		for _, by := range a.waitingFor(p.Peer) {
			pairs = append(pairs, pairOf(p.Peer, by.Peer))
		}
	}
	return pairs
}

// waitingFor returns the members that say that they wait for another one.
func (a *attempt) waitingFor(peer protocol.PeerID) (by []registry.Party) {
	for _, p := range a.parties {
		if p.Peer != peer && slices.Contains(a.members[p.Peer].progress.Missing, peer) {
			by = append(by, p)
		}
	}
	return by
}

func namesOf(parties []registry.Party) string {
	names := make([]string, len(parties))
	for i, p := range parties {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}
