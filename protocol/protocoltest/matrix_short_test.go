//go:build !long

package protocoltest_test

import (
	"slices"

	"github.com/meshmpc/mpcd/protocol"
)

const longTests = false

// samples are the cells of ECDSA that this run plays, an attack each.
var samples = []string{
	"ecdsa sign 2-of-3/SignRound1Message1/truncate", "ecdsa sign 2-of-3/SignRound1Message2/overwrite",
	"ecdsa sign 2-of-3/SignRound2Message/flip", "ecdsa sign 2-of-3/SignRound3Message/zero",
	"ecdsa sign 2-of-3/SignRound4Message/curve", "ecdsa sign 2-of-3/SignRound6Message/order",
	"ecdsa sign 2-of-3/SignRound7Message/duplicate", "ecdsa sign 2-of-3/SignRound8Message/oversize",
	"ecdsa sign 2-of-3/SignRound9Message/flip", "ecdsa sign 2-of-3/SignRound9Message/early",
	"ecdsa presign 2-of-3/SignRound1Message2/flip", "ecdsa presign 2-of-3/SignRound2Message/oversize",
	"ecdsa presign 2-of-3/SignRound3Message/flip", "ecdsa presign 2-of-3/SignRound3Message/early", "ecdsa presign 2-of-3/abort/drop",
	"ecdsa bound 2-of-3/SignRound4Message/overwrite", "ecdsa bound 2-of-3/SignRound8Message/truncate",
	"ecdsa bound 2-of-3/SignRound9Message/session", "ecdsa bound 2-of-3/SignRound9Message/early",
	"ecdsa presign 3-of-5/SignRound3Message/equivocate", "ecdsa bound 3-of-5/digest 8/zero",
}

func most(*target) int { return 1 }

func whyLeft(*ceremony) string { return "the long run plays more" }

// elsewhere leaves most of ECDSA, and what needs no more than two EdDSA signers, to the long run.
func (t *target) elsewhere(m mutation) (by *ceremony, why string) {
	eddsa := t.in.scheme == protocol.EdDSA && (t.in.th == small || sampled(t, m))
	if eddsa || slices.Contains(samples, (&cell{target: t, mutation: m}).String()) {
		return nil, ""
	}
	return nil, "the long run plays it"
}
