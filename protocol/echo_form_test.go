package protocol

import (
	"slices"
	"testing"
)

// wrongForms are ways to send one member a message of the round before a gate that
// the others get in its right form, or not at all.
var wrongForms = map[string]struct {
	name   string // of the message that is changed
	direct bool
	change func(*Header, *[]byte)
}{
	"a broadcast for one":         {"Nonce", true, func(h *Header, _ *[]byte) { h.To = parties[0].id }},
	"a later broadcast for one":   {"Sum", true, func(h *Header, _ *[]byte) { h.To = parties[0].id }},
	"an earlier round":            {"Sum", false, func(h *Header, _ *[]byte) { h.Round = 1 }},
	"a confidence for all":        {"Number", false, func(h *Header, _ *[]byte) { h.To = "" }},
	"for one, in another round":   {"Sum", true, func(h *Header, _ *[]byte) { h.To, h.Round = parties[0].id, 2 }},
	"a round before it, for one":  {"Echo", true, func(h *Header, _ *[]byte) { h.To = parties[0].id }},
	"another name in its place":   {"Sum", false, func(h *Header, _ *[]byte) { h.Name = "Sums" }},
	"another name, the first one": {"Nonce", false, func(h *Header, _ *[]byte) { h.Name = "nonce" }},
}

// A broadcast that one member alone gets in another form would be in that member's digest and not in those of
// the others, or the other way round, and they would blame each other. Its form is judged
// before; it does not matter whether it is the last message of its round.
func TestWrongFormBlamesItsSigner(t *testing.T) {
	for name, c := range wrongForms {
		for _, last := range []bool{false, true} {
			for _, aborts := range []bool{false, true} {
				net := newNetwork(t, signSpec(4))
				net.aborts, net.pulls = aborts, 5
				var late []packet
				net.script = func(p packet) []packet {
					if p.to != 0 || !p.from(t, parties[1], TypeRound, c.name) {
						return []packet{p}
					}
					q := packet{to: 0, data: reseal(t, p.data, c.change), direct: c.direct}
					if last {
						late = append(late, q)
						return nil
					}
					return []packet{q}
				}
				for len(net.queue) > 0 {
					net.deliver(net.pick())
				}
				net.script, net.queue = nil, late
				for len(net.queue) > 0 {
					net.deliver(net.pick())
				}
				wantBlame(t, net.players[0].err, parties[1])
				for _, p := range net.players[2:] {
					if got := Culprits(p.err); got != nil && !slices.Equal(got, []PeerID{parties[1].id}) {
						t.Errorf("%s, last %v: %s blames %v: %v", name, last, p.name, got, p.err)
					}
					if p.done != nil {
						t.Errorf("%s: %s has a result", name, p.name)
					}
				}
			}
		}
	}
}

// A surplus message ends the session before its gate opens: whenever it comes, what leaves
// after the gate does not leave.
func TestSurplusMessageKeepsTheGateShut(t *testing.T) {
	for _, c := range []struct {
		gate  int
		after string
	}{{1, "Number"}, {3, "End"}} {
		for _, round := range []int{1, 2, 3} {
			net := newNetwork(t, signSpec(3))
			first := net.players[0]
			surplus := wire(t, Seal(parties[1], Header{SID: net.spec.SID(), Type: TypeRound, Round: round, Name: "Surplus"}, []byte("for one only")))
			net.script = func(p packet) []packet { // the last digest waits for the surplus
				if p.to == 0 && p.from(t, parties[2], TypeDigest, digestName(c.gate)) {
					if round > c.gate {
						return nil
					}
					return []packet{{to: 0, data: surplus}, p}
				}
				return []packet{p}
			}
			for len(net.queue) > 0 {
				net.deliver(net.pick())
			}
			if round > c.gate {
				continue
			}
			wantBlame(t, first.err, parties[1])
			if first.sentName(c.after) {
				t.Errorf("gate %d opened in spite of a surplus message of round %d", c.gate, round)
			}
		}
	}
}
