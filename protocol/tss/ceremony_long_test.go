//go:build long

package tss_test

import (
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// The largest supported committee that is in everyday use. The keygen takes about
// two minutes of CPU; three of the 120 subsets sign.
func TestECDSASevenOfTen(t *testing.T) {
	th := protocol.Threshold{T: 7, N: 10}
	k := newKey(t, protocol.ECDSA, th)
	members := protocoltest.Members(th.N)
	for _, from := range []int{0, 2, 3} {
		signers := members[from : from+th.T]
		sign(t, k, signers, sid("long %d", from), digest("long %d", from))
	}
}

// EdDSA at the limit of a roster.
func TestEdDSALargestRoster(t *testing.T) {
	th := protocol.Threshold{T: protocol.MaxParties, N: protocol.MaxParties}
	k := newKey(t, protocol.EdDSA, th)
	sign(t, k, protocoltest.Members(th.N), sid("largest"), digest("largest"))
	th.T = 16
	k = newKey(t, protocol.EdDSA, th)
	sign(t, k, protocoltest.Members(th.N)[9:25], sid("largest"), digest("largest"))
}
