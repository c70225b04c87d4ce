package protocol

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// sampleEvidence has one proof of each kind, and evidence that rests on a word.
func sampleEvidence(tb testing.TB) map[string]*Evidence {
	tb.Helper()
	sid := signSpec(3).SID()
	nonce := func(payload string) *Envelope {
		return Seal(parties[1], Header{SID: sid, Type: TypeRound, Round: 1, Name: "Nonce", Seq: 2}, []byte(payload))
	}
	number := func(to int, payload string) *Envelope {
		return Seal(parties[1], Header{SID: sid, To: parties[to].id, Type: TypeRound, Round: 2, Name: "Number", Seq: 3}, []byte(payload))
	}
	digest := func(payload []byte) *Envelope {
		return Seal(parties[1], Header{SID: sid, Type: TypeDigest, Round: 1, Name: "1", Seq: 4}, payload)
	}
	show := func(e *Envelope) Exhibit {
		x := e.exhibit()
		x.Payload = e.Payload
		return x
	}
	lie := encode(tb, Digest{Heard: []Heard{{From: parties[2].id, Type: TypeRound, Round: 1, Name: "Nonce", Seq: 2, Signature: make([]byte, 64)}}})
	all := map[string]*Evidence{
		"contradiction":                  newEvidence(ReasonContradiction, nonce("one").exhibit(), nonce("two").exhibit()),
		"contradiction to one":           newEvidence(ReasonContradiction, number(0, "one").exhibit(), number(0, "two").exhibit()),
		"contradiction, to all and one":  newEvidence(ReasonContradiction, nonce("one").exhibit(), addressed(nonce("one"), parties[0].id).exhibit()),
		"contradiction, with payloads":   newEvidence(ReasonContradiction, show(nonce("one")), show(nonce("two"))),
		"false digest, unreadable":       newEvidence(ReasonFalseDigest, show(digest([]byte("no CBOR")))),
		"false digest, invented message": newEvidence(ReasonFalseDigest, show(digest(lie))),
		"a word: false digest":           newEvidence(ReasonFalseDigest, show(digest(encode(tb, Digest{})))),
		"a word: value":                  newEvidence(ReasonValue, show(nonce("zero"))),
		"a word: confidential value":     newEvidence(ReasonProof, number(0, "wrong").exhibit()),
	}
	for _, v := range all {
		v.By, v.Detail = parties[3].id, "what party 3 saw"
	}
	return all
}

// addressed signs an envelope again, for one member.
func addressed(e *Envelope, to PeerID) *Envelope {
	h := e.Header
	h.To = to
	return Seal(identities[h.From], h, e.Payload)
}

// A proof holds for anybody who has its bytes and nothing else; what rests on a word says so.
func TestEvidenceFromBytes(t *testing.T) {
	for name, v := range sampleEvidence(t) {
		for _, v := range []*Evidence{v, v.Brief()} {
			var read Evidence
			noError(t, Unmarshal(encode(t, v), &read))
			f, err := read.Verify(verify)
			if err != nil || f.Culprit != parties[1].id || f.Reason != v.Reason || !strings.Contains(f.Why, parties[1].id) {
				t.Fatalf("%s: %+v, %v", name, f, err)
			}
			if word := strings.HasPrefix(name, "a word"); f.Proven == word {
				t.Errorf("%s: proven %v", name, f.Proven)
			} else if word != strings.Contains(f.Why, parties[3].id) {
				t.Errorf("%s: %q must name whose word it is, and nobody's if it is proven", name, f.Why)
			}
		}
	}
}

// tampering is a change to evidence after which it must show nothing, or at least prove nothing.
type tampering struct {
	name    string
	refused bool // by an error; otherwise it is merely not proven
	change  func(*Evidence)
}

var tamperings = []tampering{
	{"another culprit", true, func(v *Evidence) { v.Culprit = parties[2].id }},
	{"no culprit", true, func(v *Evidence) { v.Culprit = "" }},
	{"another session", true, func(v *Evidence) { v.SID[0] ^= 1 }},
	{"version 0", true, func(v *Evidence) { v.Version = 0 }},
	{"version 2", true, func(v *Evidence) { v.Version = 2 }},
	{"no exhibit", true, func(v *Evidence) { v.Exhibits = nil }},
	{"three exhibits", true, func(v *Evidence) { v.Exhibits = append(v.Exhibits, v.Exhibits[0], v.Exhibits[0]) }},
	{"no signature", true, func(v *Evidence) { v.Exhibits[0].Signature = nil }},
	{"a bit of the signature", true, func(v *Evidence) { v.Exhibits[0].Signature[9] ^= 4 }},
	{"a signer's name", true, func(v *Evidence) { v.Culprit, v.Exhibits[0].Header.From = parties[2].id, parties[2].id }},
	{"another signer", true, func(v *Evidence) { v.Exhibits[0].Signature = parties[2].Sign(v.Exhibits[0].Header.signed()) }},
	{"header's session", true, func(v *Evidence) { v.Exhibits[0].Header.SID[3] ^= 1 }},
	{"both sessions", true, func(v *Evidence) { v.Exhibits[0].Header.SID[3] ^= 1; v.SID[3] ^= 1 }},
	{"header's hash", true, func(v *Evidence) { v.Exhibits[0].Header.Hash[3] ^= 1 }},
	{"header's name", true, func(v *Evidence) { v.Exhibits[0].Header.Name += "s" }},
	{"header's type", true, func(v *Evidence) { v.Exhibits[0].Header.Type = TypeReady }},
	{"header's round", true, func(v *Evidence) { v.Exhibits[0].Header.Round++ }},
	{"header's address", true, func(v *Evidence) { v.Exhibits[0].Header.To += "x" }},
	{"header's version", true, func(v *Evidence) { v.Exhibits[0].Header.Version = 2 }},
	{"header's sequence", true, func(v *Evidence) { v.Exhibits[0].Header.Seq++ }},
	{"another payload", true, func(v *Evidence) { v.Exhibits[0].Payload = []byte("something else") }},
	{"control characters for a name", true, func(v *Evidence) { v.By = "\x1b[2J" }},
	{"a name of a kilobyte", true, func(v *Evidence) { v.By = strings.Repeat("p", 1<<10) }},
	{"a long explanation", true, func(v *Evidence) { v.Detail = strings.Repeat("d", MaxDetail+1) }},
	{"an unknown reason", false, func(v *Evidence) { v.Reason = "because" }},
	{"no reason", false, func(v *Evidence) { v.Reason = "" }},
	{"a reason that proves nothing", false, func(v *Evidence) { v.Reason = ReasonProof }},
}

func (v *Evidence) clone(tb testing.TB) *Evidence {
	tb.Helper()
	var c Evidence
	noError(tb, Unmarshal(encode(tb, v), &c))
	return &c
}

func TestTamperedEvidenceProvesNothing(t *testing.T) {
	for name, v := range sampleEvidence(t) {
		for _, c := range tamperings {
			changed := v.clone(t)
			c.change(changed)
			f, err := changed.Verify(verify)
			if f.Proven || c.refused != (err != nil) {
				t.Errorf("%s with %s: %+v, error %v", name, c.name, f, err)
			}
			if err != nil {
				wantError(t, err, ErrEvidence, "")
			}
		}
		for i := range v.Exhibits {
			data := encode(t, v.Exhibits[i].Header)
			for bit := 0; bit < 8*len(data); bit += 5 { // no bit of a header changes without notice
				changed, bytes := v.clone(t), bytes.Clone(data)
				bytes[bit/8] ^= 1 << (bit % 8)
				var h Header
				if Unmarshal(bytes, &h) != nil {
					continue
				}
				changed.Exhibits[i].Header = h
				if f, err := changed.Verify(verify); err == nil {
					t.Fatalf("%s with bit %d of header %d changed: %+v", name, bit, i, f)
				}
			}
		}
	}
}

// Two messages that an honest member may sign do not contradict each other.
func TestWhatIsNoContradiction(t *testing.T) {
	sid := signSpec(3).SID()
	sign := func(h Header, payload string) Exhibit {
		return Seal(parties[1], h, []byte(payload)).exhibit()
	}
	one := Header{SID: sid, Type: TypeRound, Round: 1, Name: "Nonce", Seq: 2}
	number := Header{SID: sid, To: parties[0].id, Type: TypeRound, Round: 2, Name: "Number", Seq: 3}
	with := func(h Header, change func(*Header)) Header { change(&h); return h }
	for name, x := range map[string][]Exhibit{
		"one alone":              {sign(one, "one")},
		"the same twice":         {sign(one, "one"), sign(one, "one")},
		"same hash, sent again":  {sign(one, "one"), sign(with(one, func(h *Header) { h.Seq++ }), "one")},
		"another name":           {sign(one, "one"), sign(with(one, func(h *Header) { h.Name = "Sum" }), "two")},
		"another type":           {sign(one, "one"), sign(with(one, func(h *Header) { h.Type = TypeDigest }), "two")},
		"two confidences":        {sign(number, "one"), sign(with(number, func(h *Header) { h.To = parties[2].id }), "two")},
		"digests of two rounds":  {sign(Header{SID: sid, Type: TypeDigest, Round: 1, Name: "1"}, "one"), sign(Header{SID: sid, Type: TypeDigest, Round: 3, Name: "3"}, "two")},
		"ready and confirmation": {sign(Header{SID: sid, Type: TypeReady}, "one"), sign(Header{SID: sid, Type: TypeConfirm}, "two")},
	} {
		f, err := newEvidence(ReasonContradiction, x...).Verify(verify)
		if err == nil || f.Proven {
			t.Errorf("%s: %+v", name, f)
		}
	}
	// Messages of two members, or of two sessions, make no proof together.
	other := with(one, func(h *Header) { h.SID[0] ^= 1 })
	for _, x := range map[string][]Exhibit{
		"two signers":  {sign(one, "one"), Seal(parties[2], one, []byte("two")).exhibit()},
		"two sessions": {sign(one, "one"), sign(other, "two")},
	} {
		wantError(t, second(newEvidence(ReasonContradiction, x...).Verify(verify)), ErrEvidence, "exhibit 2")
	}
}

func second[T any](_ T, err error) error { return err }

// An exhibit in either place does, and payloads that belong to the headers change nothing.
func TestEvidenceInAnotherOrder(t *testing.T) {
	v := sampleEvidence(t)["contradiction, with payloads"]
	slices.Reverse(v.Exhibits)
	f, err := v.Verify(verify)
	if err != nil || !f.Proven {
		t.Errorf("%+v, %v", f, err)
	}
}

// No evidence shows a confidential payload, whatever its reason.
func TestEvidenceShowsNoConfidences(t *testing.T) {
	for name, v := range sampleEvidence(t) {
		for i := range v.Exhibits {
			x := &v.Exhibits[i]
			h := x.Header
			h.To, x.Payload = parties[0].id, []byte("a share")
			e := Seal(parties[1], h, x.Payload)
			x.Header, x.Signature = e.Header, e.Signature
			if f, err := v.Verify(verify); err == nil {
				t.Errorf("%s with a confidential payload: %+v", name, f)
			}
			x.Payload = nil
		}
	}
	net := newNetwork(t, signSpec(3)) // and a session makes none
	net.pulls = 5
	net.script = func(p packet) []packet {
		if p.from(t, parties[1], TypeRound, "Number") {
			p.data = reseal(t, p.data, otherPayload)
		}
		return []packet{p}
	}
	net.run()
	for _, i := range []int{0, 2} {
		wantBlame(t, net.players[i].err, parties[1])
		v := blameOf(t, net.players[i].err).Evidence
		if len(v.Exhibits) != 1 || v.Exhibits[0].Payload != nil || v.Exhibits[0].Header.To == "" {
			t.Errorf("evidence %+v", v)
		}
	}
}

// Brief leaves out what no proof needs, and does not touch what it was made of.
func TestBrief(t *testing.T) {
	if (*Evidence)(nil).Brief() != nil {
		t.Error("nothing has something to say")
	}
	for name, v := range sampleEvidence(t) {
		before := encode(t, v)
		b := v.Brief()
		for i, x := range b.Exhibits {
			if keep := v.Reason == ReasonFalseDigest; keep != (x.Payload != nil) {
				t.Errorf("%s: payload %d is kept: %v", name, i, x.Payload != nil)
			}
		}
		if !bytes.Equal(encode(t, v), before) {
			t.Errorf("%s was changed", name)
		}
	}
}
