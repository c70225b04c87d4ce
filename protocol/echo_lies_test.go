package protocol

import (
	"slices"
	"testing"
)

// lie is a change that party 1 makes to its digest of round 3 among four.
type lie struct {
	proven bool // the digest alone proves it false
	change func(tb testing.TB, sid SID, d *Digest)
}

// of returns the place of a member's message in a digest.
func (d *Digest) of(tb testing.TB, who *identity, name string) int {
	tb.Helper()
	i := slices.IndexFunc(d.Heard, func(h Heard) bool { return h.From == who.id && h.Name == name })
	if i < 0 {
		tb.Fatalf("the digest has no %s of %s", name, who.name)
	}
	return i
}

// claim adds what a member has signed.
func (d *Digest) claim(e *Envelope) {
	d.Heard = append(d.Heard, heard(&e.Header, e.Signature))
	slices.SortFunc(d.Heard, compareHeard)
}

var lies = map[string]lie{
	"another hash": {true, func(tb testing.TB, _ SID, d *Digest) { d.Heard[d.of(tb, parties[2], "Sum")].Hash[0] ^= 1 }},
	"another hash of the reader's message": {true, func(tb testing.TB, _ SID, d *Digest) {
		d.Heard[d.of(tb, parties[0], "Sum")].Hash[0] ^= 1
	}},
	"another hash, signed by the liar": {true, func(tb testing.TB, sid SID, d *Digest) {
		h := &d.Heard[d.of(tb, parties[2], "Sum")]
		h.Hash = PayloadHash([]byte("invented"))
		h.Signature = parties[1].Sign(h.header(sid).signed())
	}},
	"the message of another session": {true, func(tb testing.TB, sid SID, d *Digest) {
		i := d.of(tb, parties[2], "Sum")
		e := Seal(parties[2], Header{SID: SID{1}, Type: TypeRound, Round: 3, Name: "Sum"}, []byte("there"))
		d.Heard[i] = heard(&e.Header, e.Signature)
	}},
	"one message in place of another": {false, func(tb testing.TB, _ SID, d *Digest) {
		d.Heard[d.of(tb, parties[2], "Sum")] = d.Heard[d.of(tb, parties[3], "Sum")]
	}},
	"one hash and signature in place of another": {true, func(tb testing.TB, _ SID, d *Digest) {
		a, b := &d.Heard[d.of(tb, parties[2], "Sum")], d.Heard[d.of(tb, parties[2], "Echo")]
		a.Hash, a.Signature = b.Hash, b.Signature
	}},
	"a hash changed with its round": {true, func(tb testing.TB, _ SID, d *Digest) {
		h := &d.Heard[d.of(tb, parties[2], "Sum")]
		h.Hash[5]++
		h.Round = 2
	}},
	"omission": {false, func(tb testing.TB, _ SID, d *Digest) {
		i := d.of(tb, parties[3], "Sum")
		d.Heard = slices.Delete(d.Heard, i, i+1)
	}},
	"omission of readers": {false, func(tb testing.TB, _ SID, d *Digest) {
		i := d.of(tb, parties[0], "Sum")
		d.Heard = slices.Delete(d.Heard, i, i+1)
	}},
	"repetition": {false, func(tb testing.TB, _ SID, d *Digest) {
		i := d.of(tb, parties[3], "Sum")
		d.Heard = slices.Insert(d.Heard, i, d.Heard[i])
	}},
	"swapped":  {false, func(_ testing.TB, _ SID, d *Digest) { d.Heard[0], d.Heard[1] = d.Heard[1], d.Heard[0] }},
	"reversed": {false, func(_ testing.TB, _ SID, d *Digest) { slices.Reverse(d.Heard) }},
	"nothing":  {false, func(_ testing.TB, _ SID, d *Digest) { d.Heard = nil }},
	"its own message": {false, func(_ testing.TB, sid SID, d *Digest) {
		d.claim(Seal(parties[1], Header{SID: sid, Type: TypeRound, Round: 3, Name: "Sum"}, []byte("own")))
	}},
	"an outsider's message": {false, func(_ testing.TB, sid SID, d *Digest) {
		d.claim(Seal(outsider, Header{SID: sid, Type: TypeRound, Round: 3, Name: "Sum"}, nil))
	}},
	"an invented message": {true, func(_ testing.TB, sid SID, d *Digest) {
		e := Seal(parties[2], Header{SID: sid, Type: TypeRound, Round: 3, Name: "Invented"}, nil)
		e.Signature[0] ^= 1
		d.claim(e)
	}},
	"an outsider's name": {true, func(tb testing.TB, _ SID, d *Digest) { d.Heard[d.of(tb, parties[2], "Sum")].From = outsider.id }},
	"another type":       {true, func(tb testing.TB, _ SID, d *Digest) { d.Heard[d.of(tb, parties[2], "Sum")].Type = TypeReady }},
	"another name":       {true, func(tb testing.TB, _ SID, d *Digest) { d.Heard[d.of(tb, parties[2], "Sum")].Name = "Some" }},
	"no signatures and other hashes": {true, func(_ testing.TB, _ SID, d *Digest) {
		for i := range d.Heard {
			d.Heard[i].Hash, d.Heard[i].Signature = [32]byte{}, nil
		}
	}},
}

// digestOfOne replaces party 1's digest of round 3, as those for whom to returns true get it.
func digestOfOne(t *testing.T, to func(int) bool, payload func(*network, []byte) []byte) *network {
	t.Helper()
	net := newNetwork(t, signSpec(4))
	net.pulls = 5
	net.script = func(p packet) []packet {
		if to(p.to) && p.from(t, parties[1], TypeDigest, "3") {
			p.data = reseal(t, p.data, func(_ *Header, data *[]byte) { *data = payload(net, *data) })
		}
		return []packet{p}
	}
	net.run()
	return net
}

// A digest that is not what its author must have heard blames its author, and never those whom it
// speaks of; where it claims what nobody has signed, it proves that by itself.
func TestLyingDigestBlamesItsAuthor(t *testing.T) {
	for name, l := range lies {
		t.Run(name, func(t *testing.T) {
			net := digestOfOne(t, everyone, func(net *network, data []byte) []byte {
				d, err := decodeDigest(data)
				noError(t, err)
				l.change(t, net.spec.SID(), d)
				return encode(t, d)
			})
			for _, i := range []int{0, 2, 3} {
				wantFalseDigest(t, net.players[i], l.proven)
			}
		})
	}
}

// Bytes that no member writes prove their author a cheat by themselves.
func TestDigestInAFormThatNoMemberWrites(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"no CBOR":            func([]byte) []byte { return []byte("no CBOR") },
		"a trailing byte":    func(b []byte) []byte { return append(slices.Clone(b), 0) },
		"cut":                func(b []byte) []byte { return slices.Clone(b[:len(b)-1]) },
		"another type":       func([]byte) []byte { return encode(t, Ack{}) },
		"indefinite":         func(b []byte) []byte { return append(append([]byte{0xbf}, b[1:]...), 0xff) },
		"as large as can be": func([]byte) []byte { return make([]byte, MaxEnvelope-1000) },
	} {
		t.Run(name, func(t *testing.T) {
			net := digestOfOne(t, everyone, func(_ *network, b []byte) []byte { return change(b) })
			for _, i := range []int{0, 2, 3} {
				wantFalseDigest(t, net.players[i], true)
			}
		})
	}
	// Nothing at all has nothing to show, but is blamed all the same.
	net := digestOfOne(t, everyone, func(*network, []byte) []byte { return nil })
	wantFalseDigest(t, net.players[0], false)
}

func wantFalseDigest(t *testing.T, p *player, proven bool) {
	t.Helper()
	wantBlame(t, p.err, parties[1])
	b := blameOf(t, p.err)
	if b.Reason != ReasonFalseDigest || b.Round != 3 || p.sentName("End") {
		t.Errorf("%s: %+v, sent its last message: %v", p.name, b, p.sentName("End"))
	}
	f, err := b.Evidence.Verify(verify)
	if err != nil || f.Proven != proven || f.Culprit != parties[1].id || b.Evidence.By != p.id {
		t.Errorf("%s: the evidence of %s shows %+v, error %v; want proven %v", p.name, b.Evidence.By, f, err, proven)
	}
}

// A digest with what the others' digests have as well does no harm, whatever it says about
// signatures: they are looked at only where hashes differ.
func TestDigestWithOtherSequenceNumbers(t *testing.T) {
	digestOfOne(t, everyone, func(_ *network, data []byte) []byte {
		d, err := decodeDigest(data)
		noError(t, err)
		for i := range d.Heard {
			d.Heard[i].Seq++
		}
		return encode(t, d)
	}).agreed()
}

// Whoever writes two digests contradicts itself, even where both of them are true.
func TestTwoDigestsOfOneMember(t *testing.T) {
	for _, second := range []func([]byte) []byte{
		func(b []byte) []byte { return append(slices.Clone(b), 0) },
		func([]byte) []byte { return nil },
	} {
		net := newNetwork(t, signSpec(3))
		net.pulls = 5
		net.script = func(p packet) []packet {
			if p.to == 0 && p.from(t, parties[1], TypeDigest, "1") {
				again := p
				again.data = reseal(t, p.data, func(_ *Header, data *[]byte) { *data = second(*data) })
				return []packet{p, again}
			}
			return []packet{p}
		}
		net.run()
		wantBlame(t, net.players[0].err, parties[1])
		wantProof(t, net.players[0].err, ReasonContradiction)
	}
}
