package protocol

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// from tells whether a packet is a member's message of this type and name.
func (p packet) from(tb testing.TB, who *identity, t Type, name string) bool {
	tb.Helper()
	h := headerOf(tb, p.data)
	return h.From == who.id && h.Type == t && h.Name == name
}

// broadcast is one of the toy's that an echo covers, with the message that leaves when its
// gate opens.
type broadcast struct {
	typ         Type
	name, after string
}

// coveredIn lists them. A presigning ends where a signing's second gate opens.
func coveredIn(kind Kind) []broadcast {
	if kind == kindBound {
		return []broadcast{{TypeRound, "End", "Part"}}
	}
	list := []broadcast{{TypeRound, "Nonce", "Number"}, {TypeRound, "Echo", "End"}, {TypeRound, "Sum", "End"}}
	if kind == KindKeygen {
		list = append(list, broadcast{TypeReady, "", "Number"})
	}
	return list
}

// sentName tells whether a player has sent a round message of this name.
func (p *player) sentName(name string) bool {
	return slices.ContainsFunc(p.session.out.sent, func(s sentEnvelope) bool { return s.header.Name == name })
}

// Whoever tells two members different things, whichever of its broadcasts it is and whomever
// it lies to, is found by every honest member before anybody says what the
// lie was for, and everybody can prove it. It makes no difference whether
// those who fail tell the others.
func TestEquivocationIsFoundByAll(t *testing.T) {
	for _, kind := range allKinds {
		for n := 3; n <= 5; n++ {
			for _, c := range coveredIn(kind) {
				for subset := 1; subset < 1<<(n-1)-1; subset++ { // of the honest, neither none nor all
					t.Run(fmt.Sprintf("%s of %d %s%s to %b", kind, n, c.typ, c.name, subset), func(t *testing.T) {
						for _, aborts := range []bool{false, true} {
							net := equivocate(t, kind, n, c.typ, c.name, subset, aborts)
							wantOnlyLiarBlamed(t, net)
							for _, p := range net.players {
								if p.identity != parties[1] && p.sentName(c.after) {
									t.Errorf("%s has sent its %s", p.name, c.after)
								}
							}
						}
					})
				}
			}
		}
	}
}

// equivocate runs a session in which party 1 tells a subset of the others another thing.
func equivocate(t *testing.T, kind Kind, n int, typ Type, name string, subset int, aborts bool) *network {
	t.Helper()
	net := newNetwork(t, specOf(kind, n))
	net.aborts, net.pulls = aborts, 5
	change := otherPayload
	if typ == TypeReady { // of the right size
		change = func(_ *Header, payload *[]byte) { *payload = contribution(99) }
	}
	net.script = func(p packet) []packet {
		place := p.to // among those who are not the liar
		if place > 1 {
			place--
		}
		if p.to != 1 && subset>>place&1 == 1 && p.from(t, parties[1], typ, name) {
			p.data = reseal(t, p.data, change)
		}
		return []packet{p}
	}
	net.run()
	return net
}

// wantOnlyLiarBlamed checks that no session ended well, and that all honest members blame
// party 1, with a proof.
func wantOnlyLiarBlamed(t *testing.T, net *network) {
	t.Helper()
	for _, p := range net.players {
		if p.done != nil || p.pending != nil || p.held {
			t.Errorf("%s has a result", p.name)
		}
		if p.identity == parties[1] {
			continue
		}
		if got := Culprits(p.err); !slices.Equal(got, []PeerID{parties[1].id}) {
			t.Fatalf("%s: error %v blames %v", p.name, p.err, got)
		}
		wantProof(t, p.err, ReasonContradiction)
	}
}

// Between two members there is nothing to agree on: neither sends a digest, and
// one that comes is its author's fault.
func TestNoEchoBetweenTwo(t *testing.T) {
	for _, kind := range allKinds {
		net := newNetwork(t, specOf(kind, 2))
		gate := net.players[0].machine.echoes[0]
		digest := wire(t, Seal(parties[1], Header{SID: net.spec.SID(), Type: TypeDigest, Round: gate, Name: digestName(gate)}, encode(t, Digest{})))
		_, err := net.players[0].session.Deliver(digest, false)
		wantBlame(t, err, parties[1])
		net = newNetwork(t, specOf(kind, 2))
		net.run()
		net.agreed()
		for _, p := range net.players {
			if p.session.out.sentType(TypeDigest) {
				t.Errorf("%s sends a digest to one other", p.name)
			}
		}
	}
}

// Every session of more than two sends one digest for each gate, over
// everything that was broadcast since the one before, the own messages left out.
func TestWhatDigestsCover(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 4))
	net.run()
	net.agreed()
	for _, p := range net.players {
		var got [][]string
		for _, s := range p.session.out.sent {
			if s.header.Type != TypeDigest {
				continue
			}
			var e Envelope
			noError(t, Unmarshal(s.data, &e))
			d, err := decodeDigest(e.Payload)
			noError(t, err)
			var names []string
			for _, h := range d.Heard {
				if h.From == p.id || !h.signed(net.spec.SID(), verify) {
					t.Errorf("%s claims %+v", p.name, h)
				}
				names = append(names, string(h.Type)+h.Name)
			}
			slices.Sort(names)
			got = append(got, slices.Compact(names))
			if want := []int{6, 6}[len(got)-1]; len(d.Heard) != want {
				t.Errorf("%s claims %d messages, want %d", p.name, len(d.Heard), want)
			}
		}
		if want := "[[ready roundNonce] [roundEcho roundSum]]"; fmt.Sprint(got) != want {
			t.Errorf("%s sends digests over %v, want %s", p.name, got, want)
		}
	}
}

// No round's last message reaches a machine before all digests have come, and while a session
// waits it asks those whose digest it lacks, and nobody else.
func TestGateWaitsForEveryDigest(t *testing.T) {
	for _, c := range []struct{ gate, after string }{{"1", "Number"}, {"3", "End"}} {
		net := newNetwork(t, signSpec(4))
		first := net.players[0]
		var late []packet
		net.script = func(p packet) []packet {
			if p.to == 0 && p.from(t, parties[2], TypeDigest, c.gate) {
				late = append(late, p)
				return nil
			}
			return []packet{p}
		}
		for len(net.queue) > 0 {
			net.deliver(net.pick())
		}
		if len(late) != 1 || !first.session.echo.sent || first.sentName(c.after) {
			t.Fatalf("gate %s: %d digests held back, gate reached %v, open %v", c.gate, len(late), first.session.echo.sent, first.sentName(c.after))
		}
		if pulls := first.session.Missing(); len(pulls) != 1 || pulls[parties[2].id] == nil {
			t.Errorf("gate %s: it asks %v; what is missing is the digest of %s", c.gate, pulls, parties[2].id)
		}
		net.script = nil
		net.run() // the digest is pulled
		net.queue = late
		net.run() // and comes again
		net.agreed()
	}
}

// Digests that come before the messages that they cover wait, and whatever comes twice does no harm.
func TestDigestsBeforeTheirRounds(t *testing.T) {
	for _, kind := range allKinds {
		net := newNetwork(t, specOf(kind, 4))
		var rest []packet
		net.script = func(p packet) []packet {
			if p.to == 0 && headerOf(t, p.data).Type != TypeDigest {
				rest = append(rest, p)
				return nil
			}
			return []packet{p, p}
		}
		for len(net.queue) > 0 {
			net.deliver(net.pick())
		}
		net.script = nil
		slices.Reverse(rest)
		net.queue = rest
		net.run()
		net.agreed()
	}
}

// Who finds its own name under what it has not said blames nobody: somebody else
// has its key.
func TestIdentityThatRunsTwice(t *testing.T) {
	net := newNetwork(t, signSpec(3))
	net.pulls = 5
	net.script = func(p packet) []packet {
		if p.to == 1 && p.from(t, parties[0], TypeRound, "Nonce") {
			p.data = reseal(t, p.data, otherPayload)
		}
		return []packet{p}
	}
	net.run()
	first := net.players[0]
	if !errors.Is(first.err, errIdentityTwice) || Culprits(first.err) != nil {
		t.Errorf("error %v blames %v", first.err, Culprits(first.err))
	}
	wantBlame(t, net.players[2].err, parties[0])
}
