package tss_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Parties on our curve and on the library's make a key and sign together, whoever is
// on which.
func TestMixedCurves(t *testing.T) {
	th := protocol.Threshold{T: 3, N: 3}
	members := protocoltest.Members(th.N)
	var k *key
	for _, mask := range []int{0b010, 0b101} { // bit i: member i is on the library's curve
		parties := keygenParties(t, protocol.EdDSA, th)
		for i, p := range stockKeygen(t, th) {
			if mask>>i&1 == 1 {
				parties[i] = p
			}
		}
		results, _, err := protocoltest.Run(parties, protocoltest.Options{})
		if err != nil {
			t.Fatalf("keygen with mask %b: %v", mask, err)
		}
		k = keyOf(t, th, results)
	}
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

// stockKeygen sets up the members of keygenParties on the library's curve.
func stockKeygen(tb testing.TB, th protocol.Threshold) []protocoltest.Party {
	tb.Helper()
	members := protocoltest.Members(th.N)
	parties := make([]protocoltest.Party, th.N)
	for i, m := range members {
		machine, err := tss.NewStockKeygen(tss.KeygenConfig{
			SID:       sid("keygen %s %v", protocol.EdDSA, th),
			Scheme:    protocol.EdDSA,
			Threshold: th.T,
			Roster:    members,
			Self:      m.Peer,
		})
		if err != nil {
			tb.Fatal(err)
		}
		parties[i] = protocoltest.Party{Peer: m.Peer, Machine: machine}
	}
	return parties
}

// The shares of a key that was made on the library's curve, all three, are in testdata
// as they were stored: they load unchanged and any two of them sign on ours.
func TestSharesMadeOnTheStockCurveSign(t *testing.T) {
	th := protocol.Threshold{T: 2, N: 3}
	k := &key{threshold: th, shares: map[protocol.PeerID]*tss.Share{}}
	for _, m := range protocoltest.Members(th.N) {
		b := readFixture(t, "share-eddsa-ed25519-stock-"+m.Peer+".cbor")
		share, err := tss.DecodeShare(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := share.Check(); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(encode(t, share), b) || share.Self() != m.Peer {
			t.Errorf("the share of %s changes when it is loaded", m.Peer)
		}
		k.shares[m.Peer], k.public = share, share.PublicKey()
	}
	const public = "119fd4d519f885a67da5f64a300fe08b964241a57464dc8f829dfa82fc69e08c"
	if hex.EncodeToString(k.public) != public {
		t.Errorf("they are of the key %x", k.public)
	}
	subsets(protocoltest.Members(th.N), th.T, func(signers []protocol.Member) {
		sign(t, k, signers, sid("stock shares"), fmt.Appendf(nil, "%v", signers))
	})
}
