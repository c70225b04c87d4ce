//go:build long

package protocoltest_test

import (
	"slices"

	"github.com/meshmpc/mpcd/protocol"
)

const longTests = true

// most is how many variants with consequences this run plays of a cell of ECDSA, chosen by
// the seed; see whyLeft.
func most(t *target) int {
	const all = 1000
	switch c := t.in; {
	case c.costly():
		return []int{1, 3, 2, 1}[t.round]
	case c.bound, c.kind == protocol.KindPresign && (c.th == large || t.direct || t.typ != protocol.TypeRound):
		return 1
	}
	return all // in a presigning of two: what it cannot see yet
}

// whyLeft says why variants of a ceremony are left to other seeds.
func whyLeft(c *ceremony) string {
	if c.costly() {
		return "a run takes ten seconds of CPU"
	}
	return "the signing in one session plays them all, with the same guards and proofs"
}

// elsewhere says why a cell is not played here, and who plays it.
func (t *target) elsewhere(m mutation) (by *ceremony, why string) {
	const (
		session = "what sessions say besides the rounds' messages is the same code for every machine"
		rounds  = "one sender's message meets the same guards among three; what takes a third member is the session's"
	)
	c := t.in
	round := t.typ == protocol.TypeRound
	switch {
	case c.scheme == protocol.EdDSA:
		return nil, ""
	case c.costly() && c.th == small:
		if round || slices.Contains([]mutation{drop, overwrite, truncate, bitFlip, equivocate, early}, m) {
			return nil, ""
		}
		return newCeremony(c.kind, protocol.EdDSA, small), session
	case c.costly():
		digests := t.typ == protocol.TypeDigest && (m == equivocate || m == bitFlip)
		if digests || m == equivocate && t.name == "KGRound1Message" || m == early && t == c.lastRound() {
			return nil, ""
		}
		if round {
			return newCeremony(c.kind, protocol.ECDSA, small), "five have the same guards as three"
		}
		return newCeremony(c.kind, protocol.EdDSA, large), session
	case c.th == small || sampled(t, m):
		return nil, ""
	case !round:
		return newCeremony(protocol.KindSign, protocol.EdDSA, large), session
	case c.bound:
		return newBound(small), rounds
	}
	return newCeremony(c.kind, protocol.ECDSA, small), rounds
}
