package engine

import (
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// TestDoubtsAreWeakerThanAccusations: each kind counts only if the stronger ones leave
// a choice.
func TestDoubtsAreWeakerThanAccusations(t *testing.T) {
	p := someParties(4)
	at := func(a, b int) pair { return pairOf(p[a].Peer, p[b].Peer) }
	roster := func(list ...int) (parties []registry.Party) {
		for _, i := range list {
			parties = append(parties, p[i])
		}
		return parties
	}
	quit := func(i, n int) map[protocol.PeerID]int { return map[protocol.PeerID]int{p[i].Peer: n} }
	for name, c := range map[string]struct {
		apart []pair
		ends  map[*ending][]registry.Party // of attempts with these rosters
		want  []string
	}{
		"nothing":                        {nil, nil, []string{"p0", "p1", "p2"}},
		"one gave up":                    {nil, map[*ending][]registry.Party{{quits: quit(0, 1)}: nil}, []string{"p1", "p2", "p3"}},
		"the others accuse each other":   {[]pair{at(1, 2)}, map[*ending][]registry.Party{{quits: quit(0, 1)}: nil}, []string{"p0", "p1", "p3"}},
		"two waited for each other":      {nil, map[*ending][]registry.Party{{waits: []pair{at(0, 1)}}: nil}, []string{"p0", "p2", "p3"}},
		"all waited for all":             {nil, map[*ending][]registry.Party{{waits: []pair{at(0, 1), at(0, 2), at(1, 2), at(0, 3), at(1, 3), at(2, 3)}}: nil}, []string{"p0", "p1", "p2"}},
		"they have failed together":      {nil, map[*ending][]registry.Party{{}: roster(2, 0, 1)}, []string{"p0", "p1", "p3"}},
		"all have failed":                {nil, map[*ending][]registry.Party{{}: roster(0, 1, 2), {waits: nil}: roster(0, 1, 3), {pairs: nil}: roster(0, 2, 3), {faults: nil}: roster(1, 2, 3)}, []string{"p0", "p1", "p2"}},
		"failed, and accused each other": {[]pair{at(0, 1)}, map[*ending][]registry.Party{{}: roster(0, 2, 3)}, []string{"p1", "p2", "p3"}},
	} {
		t.Run(name, func(t *testing.T) {
			var s suspects
			s.learn(nil, c.apart)
			for end, roster := range c.ends {
				s.doubt(roster, end)
			}
			if got := names(s.keepApart(p, 3, nil)); !slices.Equal(got, c.want) || s.together {
				t.Errorf("chose %v, want %v; together %v", got, c.want, s.together)
			}
		})
	}
}
