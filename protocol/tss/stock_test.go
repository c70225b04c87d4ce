package tss_test

import (
	"fmt"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Parties on our curve and on the library's make a key and sign together, both
// ways round.
func TestMixedCurves(t *testing.T) {
	th := protocol.Threshold{T: 3, N: 3}
	members := protocoltest.Members(th.N)
	parties := keygenParties(t, protocol.EdDSA, th)
	stock, err := tss.NewStockKeygen(tss.KeygenConfig{
		SID:       sid("keygen %s %v", protocol.EdDSA, th),
		Scheme:    protocol.EdDSA,
		Threshold: th.T,
		Roster:    members,
		Self:      members[1].Peer,
	})
	if err != nil {
		t.Fatal(err)
	}
	parties[1].Machine = stock
	results, _, err := protocoltest.Run(parties, protocoltest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := keyOf(t, th, results)
	for mask := range 1 << th.N {
		mixed := &key{threshold: th, public: k.public, shares: map[protocol.PeerID]*tss.Share{}}
		for i, m := range members {
			mixed.shares[m.Peer] = k.shares[m.Peer]
			if mask>>i&1 == 1 {
				mixed.shares[m.Peer] = tss.OnStockCurve(k.shares[m.Peer])
			}
		}
		sign(t, mixed, members, sid("mixed"), fmt.Appendf(nil, "mask %b", mask))
	}
}
