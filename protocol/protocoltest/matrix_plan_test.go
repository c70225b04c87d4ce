package protocoltest_test

import (
	"slices"

	"github.com/meshmpc/mpcd/protocol"
)

// ceremonies are those of the table.
func ceremonies() []*ceremony {
	var all []*ceremony
	for _, th := range []protocol.Threshold{small, large} {
		for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
			all = append(all, newCeremony(protocol.KindKeygen, scheme, th), newCeremony(protocol.KindSign, scheme, th))
		}
		all = append(all, newCeremony(protocol.KindPresign, protocol.ECDSA, th), newBound(th))
	}
	return all
}

// chosenCells are all places of the table, with the attacks that this run plays.
func chosenCells(seed uint64) []*cell {
	var all []*cell
	for _, c := range ceremonies() {
		cells := c.cells()
		if c.scheme == protocol.ECDSA {
			cells = economise(cells, seed, most)
		}
		if c.costly() {
			spare(cells)
		}
		all = append(all, cells...)
	}
	return all
}

// spare leaves out what does no harm and is no round's message where something does harm:
// the EdDSA keygen plays it (see elsewhere).
func spare(cells []*cell) {
	for _, c := range cells {
		harmless := func(a attack) bool { return a.expect == completes }
		if c.target.typ == protocol.TypeRound || !slices.ContainsFunc(c.attacks, func(a attack) bool { return !harmless(a) }) {
			continue
		}
		before := len(c.attacks)
		c.attacks = slices.DeleteFunc(c.attacks, harmless)
		c.spared = before - len(c.attacks)
	}
}

// sampled are the cells of ECDSA with three signers: what two do not have, and what must be
// found before the digests.
func sampled(t *target, m mutation) bool {
	return m == equivocate || m == early && t == t.in.lastRound() || t.typ == protocol.TypeDigest || t.name == "SignRound3Message"
}
