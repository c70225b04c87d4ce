package protocoltest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

var seedFlag = flag.Uint64("seed", 0, "of the matrix; 0: a random one")

var (
	small = protocol.Threshold{T: 2, N: 3}
	large = protocol.Threshold{T: 3, N: 5}
)

// result is what became of a cell.
type result struct {
	*cell
	ran     int // attacks
	classes map[class]bool
	verdict // of all attacks
}

// matrix runs cells and collects their results.
type matrix struct {
	seed    uint64
	mu      sync.Mutex
	results []*result
}

// TestMaliciousMatrix lets one malicious member do each of the mutations to each type of
// its messages, with real sessions, identities and machines, and compares with the
// outcome that is expected. The long version runs all cells; the other one those of
// EdDSA, and samples.
func TestMaliciousMatrix(t *testing.T) {
	m := &matrix{seed: *seedFlag}
	if m.seed == 0 {
		m.seed = rand.Uint64()
	}
	t.Logf("seed %d", m.seed)
	t.Run("cells", func(t *testing.T) {
		for _, c := range chosenCells(m.seed) {
			if len(c.attacks) == 0 {
				m.add(&result{cell: c})
				continue
			}
			t.Run(c.String(), func(t *testing.T) {
				t.Parallel()
				m.run(t, c)
			})
		}
	})
	m.report(t)
}

func (m *matrix) add(r *result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.results = append(m.results, r)
}

// run runs all attacks of a cell.
func (m *matrix) run(t *testing.T, c *cell) {
	start := time.Now()
	found := &result{cell: c, classes: map[class]bool{}}
	for i := range c.attacks {
		a := &c.attacks[i]
		if v := m.try(t, c, a); v != nil {
			found.ran++
			found.classes[a.expect] = true
			found.add(v)
			for _, p := range v.problems {
				t.Errorf("%s (%s expected): %s", a.name, a.expect, p)
			}
		}
	}
	if found.ran == 0 {
		t.Error("every variant is the message itself: nothing was attacked")
	}
	m.add(found)
	t.Logf("%d attacks, %v", found.ran, time.Since(start).Round(time.Millisecond))
}

// try runs one attack; nil if the mutation changes nothing and nothing went wrong.
func (m *matrix) try(t *testing.T, c *cell, a *attack) *verdict {
	t.Helper()
	t.Logf("starts: %s", a.name)
	in := c.target.in
	label := fmt.Sprintf("%v %s", c, a.name)
	seed := seedOf(m.seed, label)
	r := &run{tb: t, ceremony: in, label: label, ids: protocoltest.Identities(in.members()), seed: seed, random: a.random}
	if in.kind != protocol.KindKeygen {
		r.key = keyFor(t, in.scheme, in.th)
	}
	mallory := &mallory{target: c.target, attack: a, seed: seed}
	mallory.Identity = r.ids[seed%uint64(len(r.ids))]
	for _, id := range r.ids {
		if id != mallory.Identity {
			mallory.honest = append(mallory.honest, id.ID())
		}
	}
	played := r.play(mallory)
	v := r.judge(mallory, played)
	if mallory.same {
		t.Logf("%s changes nothing", a.name)
		if v.panics+v.leaks+v.wrong+v.changed == 0 {
			return nil // what is expected of it is of no account
		}
	}
	if !mallory.fired {
		v.problem("the attack did not happen")
	}
	failed := slices.ContainsFunc(mallory.honest, func(p protocol.PeerID) bool { return !played.Endings[p].Well() })
	if a.then != "" && !failed {
		v.add(r.use(mallory))
	}
	if failed && in.kind != protocol.KindKeygen && (in.scheme == protocol.EdDSA || seed%again == 0) {
		m.signAgain(t, r, mallory)
	}
	return v
}

// again: of so many ECDSA attacks one is followed by an honest signing.
const again = 8

// signAgain lets the honest members sign with the shares that they still have.
func (m *matrix) signAgain(t *testing.T, r *run, mallory *mallory) {
	t.Helper()
	c := r.ceremony
	if c.kind == protocol.KindPresign {
		c = newCeremony(protocol.KindSign, c.scheme, c.th)
	}
	next := &run{tb: t, ceremony: c, label: r.label + " again", key: r.key, shares: r.shares, seed: r.seed}
	for _, id := range protocoltest.Identities(r.ceremony.th.N) {
		if id.ID() != mallory.ID() && len(next.ids) < r.ceremony.th.T {
			next.ids = append(next.ids, id)
		}
	}
	for peer, e := range next.play(nil).Endings {
		if !e.Well() {
			t.Errorf("%s cannot sign again: %v", next.name(peer), e.Err)
		}
	}
}

// use lets all sign with what they hold after a presigning in which mallory did something that
// shows only then.
func (r *run) use(m *mallory) *verdict {
	next := &run{tb: r.tb, ceremony: newBound(r.ceremony.th), label: r.label + " used", ids: r.ids, key: r.key, shares: r.shares, seed: r.seed, presigned: r}
	first := next.ceremony.targets[0]
	after := &mallory{Identity: m.Identity, target: first, honest: m.honest, seed: m.seed, attack: &attack{
		name: m.attack.name, expect: m.attack.then, exception: m.attack.exception, opens: true,
		tamper: on(func(_ *mallory, p protocoltest.Parcel, _ *protocol.Envelope) []protocoltest.Parcel {
			p.Bad = true
			return []protocoltest.Parcel{p}
		}),
	}}
	return next.judge(after, next.play(after))
}

func (v *verdict) add(w *verdict) {
	v.problems = append(v.problems, w.problems...)
	v.panics += w.panics
	v.leaks += w.leaks
	v.wrong += w.wrong
	v.changed += w.changed
	v.finals += w.finals
	v.hops = max(v.hops, w.hops)
	v.took = max(v.took, w.took)
	v.reasons = append(v.reasons, w.reasons...)
}

// letters are the classes of a cell's attacks.
func (r *result) letters() string {
	switch {
	case r.elsewhere:
		return "="
	case r.ran == 0:
		return "-"
	case len(r.problems) > 0:
		return "!"
	}
	var b strings.Builder
	for _, c := range []class{completes, deadline, aborted, named, overOrNamed, later, partly, unattributed} {
		if r.classes[c] {
			b.WriteString(string(c))
		}
	}
	return b.String()
}
