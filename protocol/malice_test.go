package protocol

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// villain is one member that does to what it sends whatever its random choices
// say. It knows what a member knows: everything that it was sent, and its own key.
type villain struct {
	tb     testing.TB
	net    *network
	self   int
	random *rand.Rand
	bent   float64   // probability that something happens to a delivery
	heard  []packet  // everything that others sent it
	sent   []*Opened // everything that it was to send
	did    []string  // for a failing test
}

func (v *villain) id() *identity { return parties[v.self] }

// script is the fate of a delivery: those of others arrive.
func (v *villain) script(p packet) []packet {
	h := headerOf(v.tb, p.data)
	if p.to == v.self {
		v.heard = append(v.heard, p)
	}
	if h.From != v.id().id || v.random.Float64() >= v.bent {
		return []packet{p}
	}
	opened, err := OpenEnvelope(p.data, v.net.verify)
	noError(v.tb, err)
	v.sent = append(v.sent, opened)
	deeds := []func(packet, *Envelope) []packet{v.drop, v.repeat, v.other, v.other, v.header, v.header, v.header, v.header, v.lie, v.lie, v.invent, v.abort, v.replay, v.damage, v.keep}
	i := v.random.IntN(len(deeds))
	v.did = append(v.did, fmt.Sprintf("%d to %d: %s %s", i, p.to, h.Type, h.Name))
	return deeds[i](p, opened.envelope)
}

func (v *villain) seal(p packet, h Header, payload []byte) packet {
	p.data = wire(v.tb, Seal(v.id(), h, payload))
	return p
}

func (v *villain) drop(packet, *Envelope) []packet { return nil }

func (v *villain) repeat(p packet, _ *Envelope) []packet { return []packet{p, p} }

// keep delivers later, if ever.
func (v *villain) keep(p packet, _ *Envelope) []packet {
	if v.random.IntN(2) == 0 {
		v.net.queue = append(v.net.queue, p)
	}
	return nil
}

// other tells this receiver something else, instead or besides.
func (v *villain) other(p packet, e *Envelope) []packet {
	payload := append([]byte{byte(v.random.IntN(3))}, e.Payload...)
	if e.Header.Type == TypeReady && v.net.spec.Kind == KindKeygen {
		payload = contribution(90 + v.random.IntN(3))
	}
	q := v.seal(p, e.Header, payload)
	return [][]packet{{q}, {p, q}, {q, p}}[v.random.IntN(3)]
}

// header changes a field or two of the header.
func (v *villain) header(p packet, e *Envelope) []packet {
	h := e.Header
	for range 1 + v.random.IntN(2) {
		switch v.random.IntN(6) {
		case 0:
			h.Round = v.random.IntN(toyBound+2) - 1
		case 1:
			h.Name = []string{"Nonce", "Number", "Echo", "Sum", "End", "Part", "Invented", "", "1", "3", "4"}[v.random.IntN(11)]
		case 2:
			h.Type = []Type{TypeReady, TypeRound, TypeDigest, TypeConfirm, "gossip"}[v.random.IntN(5)]
		case 3:
			h.To = ""
		case 4: // alone, where others hear it all
			h.To, p.direct = v.net.players[p.to].id, true
		case 5:
			h.Seq += 50
		}
	}
	q := v.seal(p, h, e.Payload)
	return [][]packet{{q}, {p, q}, {q, p}}[v.random.IntN(3)]
}

// lie changes a digest, or sends one of its own making.
func (v *villain) lie(p packet, e *Envelope) []packet {
	d, err := decodeDigest(e.Payload)
	if e.Header.Type != TypeDigest || err != nil || len(d.Heard) == 0 {
		return []packet{p, v.seal(p, Header{SID: v.net.spec.SID(), Type: TypeDigest, Round: 3, Name: "3"}, encode(v.tb, Digest{}))}
	}
	i := v.random.IntN(len(d.Heard))
	switch v.random.IntN(7) {
	case 0:
		d.Heard[i].Hash[0] ^= 1
	case 1:
		d.Heard = slices.Delete(d.Heard, i, i+1)
	case 2:
		d.Heard = slices.Insert(d.Heard, i, d.Heard[i])
	case 3:
		slices.Reverse(d.Heard)
	case 4:
		d.claim(Seal(v.id(), Header{SID: v.net.spec.SID(), Type: TypeRound, Round: 3, Name: "Sum"}, nil))
	case 5: // what an honest member has signed, in place of something else
		if len(v.heard) > 0 {
			var other Envelope
			noError(v.tb, Unmarshal(v.heard[v.random.IntN(len(v.heard))].data, &other))
			d.Heard[i] = heard(&other.Header, other.Signature)
		}
	case 6:
		d.Heard[i].Hash, d.Heard[i].Signature = [32]byte{}, v.id().Sign([]byte("anything"))
	}
	return []packet{v.seal(p, e.Header, encode(v.tb, d))}
}

// invent sends what the ceremony does not have.
func (v *villain) invent(p packet, e *Envelope) []packet {
	h := Header{SID: e.Header.SID, Type: TypeRound, Round: 1 + v.random.IntN(toyBound), Name: fmt.Sprintf("Invented %d", v.random.IntN(3))}
	if v.random.IntN(2) == 0 {
		h.To, p.direct = v.net.players[p.to].id, true
	}
	return []packet{v.seal(p, h, nil), p}
}

// replay sends on what others have sent it, as it is or under its own name.
func (v *villain) replay(p packet, _ *Envelope) []packet {
	if len(v.heard) == 0 {
		return []packet{p}
	}
	q := v.heard[v.random.IntN(len(v.heard))]
	q.to = p.to
	var e Envelope
	noError(v.tb, Unmarshal(q.data, &e))
	if v.random.IntN(2) == 0 {
		q = v.seal(q, e.Header, e.Payload)
	}
	return []packet{q, p}
}

func (v *villain) damage(p packet, _ *Envelope) []packet {
	p.data = bytes.Clone(p.data)
	p.data[v.random.IntN(len(p.data))] ^= 1 << v.random.IntN(8)
	return []packet{p}
}

// abort gives up with evidence against an honest member, made of what that has signed.
func (v *villain) abort(p packet, e *Envelope) []packet {
	if v.random.IntN(4) > 0 { // it ends the session, so it is rare
		return []packet{p}
	}
	var exhibits []Exhibit
	for _, q := range v.heard {
		var e Envelope
		noError(v.tb, Unmarshal(q.data, &e))
		x := e.exhibit()
		if x.Header.To == "" && v.random.IntN(2) == 0 {
			x.Payload = e.Payload
		}
		exhibits = append(exhibits, x)
	}
	v.random.Shuffle(len(exhibits), func(i, j int) { exhibits[i], exhibits[j] = exhibits[j], exhibits[i] })
	f := Failure{Code: CodeProtocol, Detail: "believe me"}
	if n := 1 + v.random.IntN(2); len(exhibits) >= n {
		f.Evidence = newEvidence([]Reason{ReasonContradiction, ReasonFalseDigest, ReasonValue}[v.random.IntN(3)], exhibits[:n]...)
		f.Culprits = []PeerID{f.Evidence.Culprit}
	}
	return []packet{v.seal(p, Header{SID: e.Header.SID, Type: TypeAbort}, encode(v.tb, f))}
}

// malice runs a session with one villain on a network that reorders, repeats and loses.
func malice(t testing.TB, seed uint64) (done, blamed bool) {
	random := rand.New(rand.NewPCG(seed, 1))
	kind := allKinds[random.IntN(len(allKinds))]
	net := newNetwork(t, specOf(kind, 3+random.IntN(3)))
	net.random, net.pulls, net.aborts = random, 20, random.IntN(2) == 0
	net.drop, net.twice = random.Float64()*0.3, random.Float64()*0.3
	v := &villain{tb: t, net: net, self: random.IntN(len(net.players)), random: random, bent: random.Float64() * 0.4}
	net.script = v.script
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: %s of %d, %s does %q", seed, kind, len(net.players), v.id().name, v.did)
		}
	}()
	net.run()
	return net.wantHonour(v.self)
}

// wantHonour checks what must hold whatever one member does: no honest one is blamed, proven or
// not; whoever has a result has the same one; and whoever is past a gate has heard the same as
// every other honest member. It reports whether anybody has a result or somebody to blame.
func (n *network) wantHonour(villain int) (done, blamed bool) {
	n.tb.Helper()
	var honest []*player
	for i, p := range n.players {
		if i != villain {
			honest = append(honest, p)
		}
	}
	for _, p := range honest {
		done, blamed = done || p.done != nil || p.held, blamed || Culprits(p.err) != nil
		if got := Culprits(p.err); got != nil && !slices.Equal(got, []PeerID{parties[villain].id}) {
			n.tb.Errorf("%s blames %v: %v", p.name, got, p.err)
		}
		for _, q := range honest {
			if p.done != nil && q.done != nil && !bytes.Equal(encode(n.tb, p.done), encode(n.tb, q.done)) {
				n.tb.Errorf("%s and %s have different results", p.name, q.name)
			}
			n.wantUnanimous(p, q)
		}
	}
	return done, blamed
}

// wantUnanimous compares what two honest members have heard before the gates that the first is past.
func (n *network) wantUnanimous(p, q *player) {
	n.tb.Helper()
	past := 0
	gates := map[int]string{1: "Number", 3: "End"}
	if p.machine.rounds == toyBound {
		gates = map[int]string{4: "Part"}
	}
	for gate, after := range gates {
		if p.sentName(after) {
			past = max(past, gate)
		}
	}
	if p.held {
		past = toyPresigned
	}
	if past == 0 {
		return
	}
	for slot, e := range p.session.in.slots {
		h := &e.Header
		_, took := p.machine.got[Slot{From: h.From, Name: h.Name}]
		if h.To != "" || h.From == q.id || h.Type != TypeReady && (h.Type != TypeRound || h.Round > past || !took) {
			continue
		}
		if other := q.session.in.slots[slot]; other == nil || other.Header.Hash != h.Hash || other.Header.To != "" {
			n.tb.Errorf("%s is past gate %d and has heard another %q of %s than %s", p.name, past, slot.Name, slot.From, q.name)
		}
	}
}

func TestNoHonestMemberIsBlamed(t *testing.T) {
	const runs = 1200
	ended, found := 0, 0
	for seed := uint64(0); seed < runs && !t.Failed(); seed++ {
		done, blamed := malice(t, seed)
		if done {
			ended++
		}
		if blamed {
			found++
		}
	}
	t.Logf("of %d sessions %d ended well, and in %d the villain was found", runs, ended, found)
	if !t.Failed() && (ended < runs/10 || found < runs/4) {
		t.Error("the villain does too much, or too little")
	}
}
