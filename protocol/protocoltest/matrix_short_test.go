//go:build !long

package protocoltest_test

import (
	"github.com/meshmpc/mpcd/protocol"
)

const longTests = false

// chosenCells: all of EdDSA, and one attack each on some messages of an ECDSA signing, in one
// session and with a presignature.
func chosenCells(seed uint64) []*cell {
	var cells []*cell
	one := func(c *ceremony, some map[string]mutation) {
		cells = append(cells, c.cells(func(t *target, m mutation) bool { return some[t.String()] == m })...)
	}
	one(newCeremony(protocol.KindSign, protocol.ECDSA, small), map[string]mutation{
		"SignRound1Message1": truncate, "SignRound1Message2": overwrite, "SignRound2Message": bitFlip, "SignRound3Message": zeroed,
		"SignRound4Message": offCurve, "SignRound6Message": multiple, "SignRound7Message": duplicate, "SignRound8Message": oversize,
		"SignRound9Message": bitFlip,
	})
	one(newCeremony(protocol.KindPresign, protocol.ECDSA, small), map[string]mutation{
		"SignRound1Message2": bitFlip, "SignRound2Message": oversize, "SignRound3Message": bitFlip, "abort": drop,
	})
	one(newBound(small), map[string]mutation{
		"SignRound4Message": overwrite, "SignRound8Message": truncate, "SignRound9Message": wrongSID,
	})
	one(newCeremony(protocol.KindPresign, protocol.ECDSA, large), map[string]mutation{"SignRound3Message": equivocate})
	one(newBound(large), map[string]mutation{"digest 8": zeroed})
	return append(economise(cells, seed, func(*target) int { return 1 }), eddsaCells(sampled)...)
}
