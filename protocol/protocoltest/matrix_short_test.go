//go:build !long

package protocoltest_test

import (
	"github.com/meshmpc/mpcd/protocol"
)

const longTests = false

// chosenCells: all of EdDSA, and one attack each on some messages of an ECDSA signing.
func chosenCells(seed uint64) []*cell {
	some := map[string]mutation{
		"SignRound1Message1": truncate, "SignRound1Message2": overwrite, "SignRound2Message": bitFlip, "SignRound3Message": zeroed,
		"SignRound4Message": offCurve, "SignRound6Message": multiple, "SignRound7Message": duplicate, "SignRound8Message": oversize,
		"SignRound9Message": bitFlip,
	}
	cells := newCeremony(protocol.KindSign, protocol.ECDSA, small).cells(func(t *target, m mutation) bool { return some[t.name] == m })
	return append(economise(cells, seed, func(*target) int { return 1 }), eddsaCells(sampled)...)
}
