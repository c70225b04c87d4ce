//go:build long

package protocoltest_test

import (
	"slices"

	"github.com/meshmpc/mpcd/protocol"
)

const longTests = true

// Variants with consequences that a run chooses for a cell: all in signing, fewer in a
// keygen, where they cost more.
func mostSign(*target) int { return 1000 }

func mostKeygen(t *target) int {
	switch t.round {
	case 1:
		return 3
	case 2:
		return 2
	}
	return 1
}

// mostPresigned: a signing in one session has the same guards and proofs and plays all variants.
// Only what a presigning cannot see yet is played in full.
func mostPresigned(t *target) int {
	if t.in.kind == protocol.KindPresign && t.in.th == small && !t.direct && t.typ == protocol.TypeRound {
		return 1000
	}
	return 1
}

// presignedCells: all of a presigning of two, and of the signing that uses it up, and of three
// what two do not have.
func presignedCells() []*cell {
	all := func(*target, mutation) bool { return true }
	cells := newCeremony(protocol.KindPresign, protocol.ECDSA, small).cells(all)
	cells = append(cells, newBound(small).cells(all)...)
	cells = append(cells, newCeremony(protocol.KindPresign, protocol.ECDSA, large).cells(sampled)...)
	return append(cells, newBound(large).cells(sampled)...)
}

// chosenCells: everything. What sessions say besides the rounds' messages is the same code
// for every machine: an ECDSA keygen, which takes ten seconds of CPU, plays what
// breaks it.
func chosenCells(seed uint64) []*cell {
	all := func(*target, mutation) bool { return true }
	keygen := newCeremony(protocol.KindKeygen, protocol.ECDSA, small).cells(func(t *target, m mutation) bool {
		breaks := m == drop || m == overwrite || m == truncate || m == bitFlip || m == equivocate
		return t.typ == protocol.TypeRound || breaks
	})
	largeKeygen := newCeremony(protocol.KindKeygen, protocol.ECDSA, large).cells(func(t *target, m mutation) bool {
		return m == equivocate && t.name == "KGRound1Message" || t.typ == protocol.TypeDigest && (m == equivocate || m == bitFlip)
	})
	sign := newCeremony(protocol.KindSign, protocol.ECDSA, small).cells(all)
	sign = append(sign, newCeremony(protocol.KindSign, protocol.ECDSA, large).cells(sampled)...)
	cells := economise(append(keygen, largeKeygen...), seed, mostKeygen)
	for _, c := range cells {
		breaks := slices.ContainsFunc(c.attacks, func(a attack) bool { return a.expect != completes })
		if c.target.typ != protocol.TypeRound && breaks {
			c.attacks = slices.DeleteFunc(c.attacks, func(a attack) bool { return a.expect == completes })
		}
	}
	cells = append(cells, economise(sign, seed, mostSign)...)
	cells = append(cells, economise(presignedCells(), seed, mostPresigned)...)
	return append(cells, eddsaCells(all)...)
}
