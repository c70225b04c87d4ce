package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

func someParties(n int) (parties []registry.Party) {
	for i := range n {
		parties = append(parties, registry.Party{Peer: fmt.Sprintf("peer%02d", i), Name: fmt.Sprintf("p%d", i)})
	}
	return parties
}

// TestKeepApart compares with trying all choices, over random suspicions.
func TestKeepApart(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	impossible := 0
	for range 3000 {
		n := 2 + rng.IntN(7)
		all, need := someParties(n), 1+rng.IntN(n)
		taken := someParties(n + 1 + rng.IntN(2))[n:]
		var s suspects
		for range rng.IntN(2 * n) {
			a, b := rng.IntN(n+len(taken)), rng.IntN(n+len(taken))
			if a != b {
				s.learn(nil, []pair{pairOf(fmt.Sprintf("peer%02d", a), fmt.Sprintf("peer%02d", b))})
			}
		}
		possible := false
		for set := range 1 << n {
			var chosen []registry.Party
			for i := range n {
				if set>>i&1 == 1 {
					chosen = append(chosen, all[i])
				}
			}
			if len(chosen) == need && !clashing(&s, chosen, taken) {
				possible = true
			}
		}
		picked := s.keepApart(all, need, taken)
		if len(picked) != need || slices.Compare(names(picked), names(slices.Compact(slices.Clone(picked)))) != 0 {
			t.Fatalf("picked %v of %v, need %d", picked, all, need)
		}
		if apart := !clashing(&s, picked, taken); apart != possible || s.together == possible {
			t.Fatalf("picked %v with %v: apart %v, possible %v, together %v; suspicions %v", picked, taken, apart, possible, s.together, s.apart)
		}
		if !possible {
			impossible++
		}
	}
	if impossible == 0 || impossible == 3000 {
		t.Errorf("%d of the cases were impossible", impossible)
	}
}

// clashing reports whether the chosen should be kept apart, from each other or
// from those that are taken. That the taken ones clash is nobody's choice any more.
func clashing(s *suspects, chosen, taken []registry.Party) bool {
	for i, p := range chosen {
		if clashes(s.apart, p, chosen[i+1:]) || clashes(s.apart, p, taken) {
			return true
		}
	}
	return false
}

func names(parties []registry.Party) (list []string) {
	for _, p := range parties {
		list = append(list, p.Name)
	}
	return list
}

// TestKeepApartManyAccusers is quick however many accuse each other.
func TestKeepApartManyAccusers(t *testing.T) {
	all := someParties(protocol.MaxParties)
	var s suspects
	for i := range all {
		for j := range i {
			if i/2 == j/2 { // 16 couples
				s.learn(nil, []pair{pairOf(all[i].Peer, all[j].Peer)})
			}
		}
	}
	if picked := s.keepApart(all, 16, nil); s.together || clashing(&s, picked, nil) {
		t.Errorf("one of each couple is possible, picked %v", names(picked))
	}
	if picked := s.keepApart(all, 17, nil); !s.together || len(picked) != 17 {
		t.Errorf("17 cannot be kept apart, picked %v", names(picked))
	}
}

// TestRecall: what a session has learned is the same after a restart.
func TestRecall(t *testing.T) {
	p := someParties(4)
	session := &registry.Session{Attempt: 4, Members: []registry.Member{{Party: p[2]}}}
	for _, b := range []struct {
		party, by int
		proven    bool
		attempt   uint32
	}{{0, 1, false, 1}, {1, 0, false, 1}, {2, 0, true, 3}, {3, 0, true, 3}, {1, 2, false, 4}} {
		session.Blames = append(session.Blames, registry.Blamed{
			Blame: registry.Blame{Party: p[b.party].Peer, Reason: protocol.ReasonProof, Proven: b.proven}, By: p[b.by].Peer, Attempt: b.attempt,
		})
	}
	var s suspects
	s.recall(session)
	if len(s.apart) != 2 || len(s.excluded) != 2 || s.excluded[0].Name != "p2" || s.excluded[0].Reason != protocol.ReasonProof || s.isExcluded(p[3].Peer) == nil {
		t.Errorf("suspects %+v", s)
	}
	if degree(s.apart, p[1].Peer) != 2 || degree(s.apart, p[3].Peer) != 0 {
		t.Errorf("degrees %d and %d", degree(s.apart, p[1].Peer), degree(s.apart, p[3].Peer))
	}
	if n := plainAttempts(session); n != 1 { // the second
		t.Errorf("%d attempts have taught nothing, want 1", n)
	}
}
