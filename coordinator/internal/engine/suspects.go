package engine

import (
	"slices"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// pair is two parties, in order.
type pair [2]protocol.PeerID

func pairOf(a, b protocol.PeerID) pair {
	if a > b {
		a, b = b, a
	}
	return pair{a, b}
}

// suspects is what a session has learned of its parties. Who is proven to have
// broken the protocol takes no part in it any more. An accusation without a
// proof tells that one of two is at fault, and not which: the two are kept apart,
// as long as enough others are there. So a party that accuses everybody is soon
// alone, and one that is accused by everybody as well; and nobody can shut
// another one out by his word.
type suspects struct {
	excluded []registry.PartyProblem
	apart    []pair
	together bool // the parties chosen last should have been kept apart
}

// learn takes what an attempt has shown, and reports whether that was new.
func (s *suspects) learn(proven []registry.PartyProblem, pairs []pair) (news bool) {
	for _, p := range proven {
		if s.isExcluded(p.Peer) == nil {
			s.excluded = append(s.excluded, p)
			news = true
		}
	}
	for _, p := range pairs {
		if !slices.Contains(s.apart, p) {
			s.apart = append(s.apart, p)
			news = true
		}
	}
	return news
}

// forgive lets parties take part again that were only lost: when there are no
// others, a ping tells whether they are back. It reports whether there are any.
func (s *suspects) forgive() bool {
	before := len(s.excluded)
	s.excluded = slices.DeleteFunc(s.excluded, func(p registry.PartyProblem) bool { return p.Code == protocol.CodeUnreachable })
	return len(s.excluded) < before
}

func (s *suspects) isExcluded(peer protocol.PeerID) *registry.PartyProblem {
	if i := slices.IndexFunc(s.excluded, func(x registry.PartyProblem) bool { return x.Peer == peer }); i >= 0 {
		return &s.excluded[i]
	}
	return nil
}

// degree counts whom a party must be kept apart from.
func (s *suspects) degree(peer protocol.PeerID) (n int) {
	for _, p := range s.apart {
		if p[0] == peer || p[1] == peer {
			n++
		}
	}
	return n
}

// among reports whether some of these parties should be kept apart.
func (s *suspects) among(parties ...[]registry.Party) bool {
	all := slices.Concat(parties...)
	has := func(peer protocol.PeerID) bool {
		return slices.ContainsFunc(all, func(p registry.Party) bool { return p.Peer == peer })
	}
	return slices.ContainsFunc(s.apart, func(p pair) bool { return has(p[0]) && has(p[1]) })
}

// searchSteps bounds the search for parties that can be kept apart. There are at
// most as many suspicions as failed attempts, so that it ends long before.
const searchSteps = 10000

// keepApart returns need of the candidates, the first ones of which no two, nor
// one and one that is taken already, should be kept apart. When there are none
// such it returns the first ones, and remembers that.
func (s *suspects) keepApart(candidates []registry.Party, need int, taken []registry.Party) []registry.Party {
	if !s.among(candidates, taken) {
		return candidates[:need:need]
	}
	steps := 0
	var search func(from int, picked []registry.Party) []registry.Party
	search = func(from int, picked []registry.Party) []registry.Party {
		if len(picked) == need {
			return picked
		}
		for i := from; i <= len(candidates)-(need-len(picked)); i++ {
			if steps++; steps > searchSteps {
				return nil
			}
			if s.clashes(candidates[i], picked) || s.clashes(candidates[i], taken) {
				continue
			}
			if found := search(i+1, append(picked[:len(picked):len(picked)], candidates[i])); found != nil {
				return found
			}
		}
		return nil
	}
	if found := search(0, nil); found != nil {
		return found
	}
	s.together = true
	return candidates[:need:need]
}

func (s *suspects) clashes(p registry.Party, with []registry.Party) bool {
	return slices.ContainsFunc(with, func(o registry.Party) bool { return slices.Contains(s.apart, pairOf(p.Peer, o.Peer)) })
}

// recall takes up what a session had learned before a restart.
func (s *suspects) recall(session *registry.Session) {
	for _, b := range session.Blames {
		if !b.Proven {
			s.learn(nil, []pair{pairOf(b.Party, b.By)})
			continue
		}
		p := registry.PartyProblem{Party: registry.Party{Peer: b.Party}, Code: protocol.CodeProtocol, Reason: b.Reason, Detail: "it broke the protocol in an earlier attempt"}
		if i := slices.IndexFunc(session.Members, func(m registry.Member) bool { return m.Peer == b.Party }); i >= 0 {
			p.Party = session.Members[i].Party
		}
		s.learn([]registry.PartyProblem{p}, nil)
	}
}
