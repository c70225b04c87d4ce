package protocol

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// abortOf is an abort of party 2 in a session of four, as party 0 gets it.
func abortOf(t *testing.T, payload []byte) *player {
	t.Helper()
	net := newNetwork(t, signSpec(4))
	net.deliver(packet{to: 0})
	net.deliver(packet{to: 0, data: wire(t, Seal(parties[2], Header{SID: net.spec.SID(), Type: TypeAbort, Seq: 9}, payload))})
	wantDead(t, net, net.players[0])
	return net.players[0]
}

// evidenceFor is evidence of the session of abortOf.
func evidenceFor(t *testing.T, name string) *Evidence {
	t.Helper()
	sid := signSpec(4).SID()
	v := sampleEvidence(t)[name]
	for i := range v.Exhibits {
		x := &v.Exhibits[i]
		h := x.Header
		h.SID = sid
		x.Header, x.Signature = h, identities[h.From].Sign(h.signed())
	}
	v.SID = sid
	return v
}

// What another member's abort proves, it proves to everybody; whom it only names, or what it forges, is
// nobody's fault: it may be there to frame somebody.
func TestAbortWithEvidence(t *testing.T) {
	for name, c := range map[string]struct {
		evidence string
		change   func(*Evidence)
		proven   bool
	}{
		"a contradiction":            {"contradiction", nil, true},
		"a contradiction to one":     {"contradiction to one", nil, true},
		"an unreadable digest":       {"false digest, unreadable", nil, true},
		"an invented message":        {"false digest, invented message", nil, true},
		"a word about a value":       {"a word: value", nil, false},
		"a word about a digest":      {"a word: false digest", nil, false},
		"a forged signature":         {"contradiction", func(v *Evidence) { v.Exhibits[1].Signature[0] ^= 1 }, false},
		"signed by the one who says": {"contradiction", func(v *Evidence) { v.Exhibits[1].Signature = parties[2].Sign(v.Exhibits[1].Header.signed()) }, false},
		"one exhibit":                {"contradiction", func(v *Evidence) { v.Exhibits = v.Exhibits[:1] }, false},
		"an honest member's name":    {"contradiction", func(v *Evidence) { v.Culprit = parties[3].id }, false},
		"another session":            {"contradiction", func(v *Evidence) { resign(v, func(h *Header) { h.SID[0] ^= 1 }); v.SID[0] ^= 1 }, false},
		"headers of another session": {"contradiction", func(v *Evidence) { resign(v, func(h *Header) { h.SID[0] ^= 1 }) }, false},
		"about an outsider":          {"contradiction", func(v *Evidence) { resign(v, func(h *Header) { h.From = outsider.id }); v.Culprit = outsider.id }, false},
		"about the reader":           {"contradiction", func(v *Evidence) { resign(v, func(h *Header) { h.From = parties[0].id }); v.Culprit = parties[0].id }, false},
		"another version":            {"contradiction", func(v *Evidence) { v.Version++ }, false},
	} {
		t.Run(name, func(t *testing.T) {
			v := evidenceFor(t, c.evidence)
			if c.change != nil {
				c.change(v)
			}
			named := Failure{Code: CodeProtocol, Detail: "as I see it", Culprits: []PeerID{parties[1].id, parties[3].id}, Reason: v.Reason, Evidence: v}
			p := abortOf(t, encode(t, named))
			var aborted *Aborted
			if !errors.As(p.err, &aborted) || aborted.By != parties[2].id || (aborted.Proof != nil) != c.proven {
				t.Fatalf("error %#v", p.err)
			}
			if got := Culprits(p.err); c.proven != slices.Equal(got, []PeerID{parties[1].id}) || !c.proven && got != nil {
				t.Errorf("it blames %v", got)
			}
			if c.proven {
				wantProof(t, p.err, v.Reason)
			}
		})
	}
}

// resign changes all headers and signs them by whom they name.
func resign(v *Evidence, change func(*Header)) {
	for i := range v.Exhibits {
		x := &v.Exhibits[i]
		change(&x.Header)
		x.Signature = identities[x.Header.From].Sign(x.Header.signed())
	}
}

// An abort with which nothing can be done is an abort all the same.
func TestMalformedAborts(t *testing.T) {
	good := encode(t, Failure{Code: CodeTimeout, Detail: "late"})
	for name, payload := range map[string][]byte{
		"nothing": nil, "no CBOR": []byte("no CBOR"), "cut": good[:len(good)-1], "a trailing byte": append(slices.Clone(good), 0),
		"another type": encode(t, Digest{}), "deep": []byte(strings.Repeat("\x81", 100)),
	} {
		p := abortOf(t, payload)
		var aborted *Aborted
		if !errors.As(p.err, &aborted) || aborted.Failure.Code != CodeProtocol || Culprits(p.err) != nil {
			t.Errorf("%s: error %v", name, p.err)
		}
	}
	p := abortOf(t, encode(t, Failure{Code: CodeTimeout, Detail: strings.Repeat("long ", MaxDetail)}))
	if len(p.err.Error()) > 2*MaxDetail {
		t.Errorf("an error of %d bytes", len(p.err.Error()))
	}
}

// Who breaks the protocol towards one member alone is known to all soon after, if there is a proof.
func TestProofTravelsWithTheAbort(t *testing.T) {
	net := newNetwork(t, signSpec(4))
	net.aborts, net.pulls = true, 5
	net.script = func(p packet) []packet {
		if p.to == 0 && p.from(t, parties[1], TypeRound, "Number") {
			return []packet{p, {to: 0, data: reseal(t, p.data, otherPayload), direct: true}}
		}
		return []packet{p}
	}
	net.run()
	for _, i := range []int{0, 2, 3} {
		p := net.players[i]
		wantBlame(t, p.err, parties[1])
		wantProof(t, p.err, ReasonContradiction)
		var aborted *Aborted
		if errors.As(p.err, &aborted) != (i != 0) {
			t.Errorf("%s: error %v", p.name, p.err)
		}
		if v := blameOf(t, p.err).Evidence; v.By != parties[0].id || v.Detail == "" {
			t.Errorf("%s: evidence by %s says %q", p.name, v.By, v.Detail)
		}
	}
}

// A proof that is too large for a message must not keep a member from saying that it gives up.
func TestAbortWithTooMuchEvidence(t *testing.T) {
	net := newNetwork(t, signSpec(4))
	net.aborts, net.pulls = true, 5
	net.script = func(p packet) []packet {
		if p.to == 0 && p.from(t, parties[1], TypeDigest, "3") {
			p.data = reseal(t, p.data, func(_ *Header, payload *[]byte) { *payload = make([]byte, MaxEnvelope-len(p.data)) })
		}
		return []packet{p}
	}
	net.run()
	wantBlame(t, net.players[0].err, parties[1])
	wantProof(t, net.players[0].err, ReasonFalseDigest)
	for _, i := range []int{2, 3} {
		var aborted *Aborted
		if p := net.players[i]; !errors.As(p.err, &aborted) || aborted.By != parties[0].id || aborted.Failure.Reason != ReasonFalseDigest {
			t.Errorf("%s: error %v, done %v", p.name, p.err, p.done)
		}
	}
}
