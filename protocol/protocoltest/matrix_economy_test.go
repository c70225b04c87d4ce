package protocoltest_test

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// economise makes the cells of an ECDSA ceremony cheaper: what does no harm happens in one
// run, and of what does the seed chooses some variants, at most so many a cell.
func economise(cells []*cell, seed uint64, most func(*target) int) []*cell {
	for _, c := range cells {
		var harmless, harmful []attack
		for _, a := range c.attacks {
			if a.expect == completes && a.contribution == nil && a.then == "" {
				harmless = append(harmless, a)
			} else {
				harmful = append(harmful, a)
			}
		}
		rng := rand.New(rand.NewPCG(seedOf(seed, c.String()), 2)) // #nosec G404 -- a test that repeats
		rng.Shuffle(len(harmful), func(i, j int) { harmful[i], harmful[j] = harmful[j], harmful[i] })
		c.left = max(len(harmful)-most(c.target), 0)
		c.attacks = harmful[:len(harmful)-c.left]
		if len(harmless) > 0 {
			c.attacks = append(c.attacks, together(harmless, rng))
		}
	}
	return cells
}

// together is one attack made of several that do no harm; of those that change the order of
// messages, one.
func together(all []attack, rng *rand.Rand) attack {
	if slices.ContainsFunc(all, func(a attack) bool { return a.random }) {
		return all[rng.IntN(len(all))]
	}
	if len(all) == 1 {
		return all[0]
	}
	slices.SortStableFunc(all, func(a, b attack) int { return cmp.Compare(b.first, a.first) })
	whole := attack{expect: completes}
	var names []string
	for i := range all {
		names = append(names, all[i].name)
		whole.counted = whole.counted || all[i].counted
	}
	whole.name = strings.Join(names, "; ")
	whole.tamper = func(m *mallory, p protocoltest.Parcel, e *protocol.Envelope) []protocoltest.Parcel {
		parcels := []protocoltest.Parcel{p}
		for i := range all {
			at := slices.IndexFunc(parcels, func(q protocoltest.Parcel) bool { return bytes.Equal(q.Data, p.Data) })
			if at < 0 {
				break // lost or damaged: the next copy is pulled
			}
			parcels = slices.Replace(parcels, at, at+1, all[i].tamper(m, parcels[at], e)...)
		}
		return parcels
	}
	return whole
}
