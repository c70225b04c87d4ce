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
	doubts
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

// degree counts the pairs that a party is in.
func degree(pairs []pair, peer protocol.PeerID) (n int) {
	for _, p := range pairs {
		if p[0] == peer || p[1] == peer {
			n++
		}
	}
	return n
}

// among reports whether both of some pair are among these parties.
func among(pairs []pair, parties ...[]registry.Party) bool {
	all := slices.Concat(parties...)
	has := func(peer protocol.PeerID) bool {
		return slices.ContainsFunc(all, func(p registry.Party) bool { return p.Peer == peer })
	}
	return slices.ContainsFunc(pairs, func(p pair) bool { return has(p[0]) && has(p[1]) })
}

// isChoiceOf reports whether it matters which of the candidates are chosen.
func (s *suspects) isChoiceOf(candidates, taken []registry.Party) bool {
	return among(s.apart, candidates, taken) || among(s.waits, candidates, taken) || len(s.levels(candidates)) > 1 || len(s.failed) > 0
}

// searchSteps bounds each search for parties that can be kept apart. A failed
// attempt adds at most a pair for every two of its members; a search among so many
// that it does not end within the bound has found nobody.
const searchSteps = 10000

// keepApart returns need of the candidates, the first ones of which no two, nor
// one and one that is taken already, should be kept apart. When there are none
// such it returns the first ones, and remembers that. As long as it can choose it also
// leaves out who gave up, and all who have failed together, and parts parties that waited
// for each other.
func (s *suspects) keepApart(candidates []registry.Party, need int, taken []registry.Party) []registry.Party {
	if !s.isChoiceOf(candidates, taken) {
		return candidates[:need:need]
	}
	find := search{pairs: slices.Concat(s.apart, s.waits), need: need, taken: taken, rejects: s.hasFailed}
	for _, find.pairs = range [][]pair{find.pairs, s.apart} {
		for _, level := range s.levels(candidates) {
			if found := find.among(s.upTo(candidates, level), nil); found != nil {
				return found
			}
		}
	}
	find.steps, find.rejects = 0, nil
	if found := find.among(candidates, nil); found != nil {
		return found
	}
	s.together = true
	return candidates[:need:need]
}

// search looks for parties that go together.
type search struct {
	pairs   []pair // are kept apart
	need    int
	taken   []registry.Party                    // take part in any case
	rejects func(parties []registry.Party) bool // all of them; nil: nothing
	steps   int
}

// among completes picked with the first candidates that will do, in at most
// searchSteps; nil if there are none.
func (s *search) among(candidates, picked []registry.Party) []registry.Party {
	missing := s.need - len(picked)
	if missing == 0 {
		if s.rejects != nil && s.rejects(slices.Concat(s.taken, picked)) {
			return nil
		}
		return picked
	}
	for i := 0; i <= len(candidates)-missing; i++ {
		if s.steps++; s.steps > searchSteps {
			return nil
		}
		if clashes(s.pairs, candidates[i], picked) || clashes(s.pairs, candidates[i], s.taken) {
			continue
		}
		if found := s.among(candidates[i+1:], append(picked[:len(picked):len(picked)], candidates[i])); found != nil {
			return found
		}
	}
	return nil
}

func clashes(pairs []pair, p registry.Party, with []registry.Party) bool {
	return slices.ContainsFunc(with, func(o registry.Party) bool { return slices.Contains(pairs, pairOf(p.Peer, o.Peer)) })
}

// recall takes up what is in the log: of before a restart, or what came too late for its
// attempt. It reports whether that was new.
func (s *suspects) recall(session *registry.Session) (news bool) {
	for _, b := range session.Blames {
		if !b.Proven {
			news = s.learn(nil, []pair{pairOf(b.Party, b.By)}) || news
			continue
		}
		p := registry.PartyProblem{Party: registry.Party{Peer: b.Party}, Code: protocol.CodeProtocol, Reason: b.Reason, Detail: "it broke the protocol in an earlier attempt"}
		if i := slices.IndexFunc(session.Members, func(m registry.Member) bool { return m.Peer == b.Party }); i >= 0 {
			p.Party = session.Members[i].Party
		}
		news = s.learn([]registry.PartyProblem{p}, nil) || news
	}
	return news
}
