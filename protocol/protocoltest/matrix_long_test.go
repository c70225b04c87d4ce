//go:build long

package protocoltest_test

import (
	"github.com/meshmpc/mpcd/protocol"
)

const longTests = true

func chosenCells() []*cell {
	all := func(*target, mutation) bool { return true }
	cells := newCeremony(protocol.KindKeygen, protocol.ECDSA, small).cells(all)
	cells = append(cells, newCeremony(protocol.KindSign, protocol.ECDSA, small).cells(all)...)
	cells = append(cells, newCeremony(protocol.KindSign, protocol.ECDSA, large).cells(sampled)...)
	cells = append(cells, newCeremony(protocol.KindKeygen, protocol.ECDSA, large).cells(func(t *target, m mutation) bool {
		return m == equivocate && t.name == "KGRound1Message" || t.typ == protocol.TypeDigest && (m == equivocate || m == bitFlip)
	})...)
	return append(cells, eddsaCells()...)
}
