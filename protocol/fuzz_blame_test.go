package protocol

import (
	"bytes"
	"slices"
	"testing"
)

// anyone is a Verifier that believes everything: it leads a fuzzer past signatures.
func anyone(PeerID, []byte, []byte) bool { return true }

// FuzzDigest: a digest is read in its one form, and nothing that another member
// makes up is taken for what an honest one has signed.
func FuzzDigest(f *testing.F) {
	net := newNetwork(f, signSpec(3))
	net.run()
	var honest [][]byte
	for _, p := range net.players {
		for _, s := range p.session.out.sent {
			if s.header.Type == TypeDigest {
				var e Envelope
				noError(f, Unmarshal(s.data, &e))
				honest = append(honest, e.Payload)
				f.Add(e.Payload)
			}
		}
	}
	f.Add(encode(f, Digest{}))
	f.Add([]byte{0xa1, 0x01, 0x81, 0xa0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := decodeDigest(data); err == nil {
			canonical(t, data, d)
		}
		e := Seal(parties[1], Header{SID: net.spec.SID(), Type: TypeDigest, Round: 1, Name: "1"}, data)
		x := e.exhibit()
		x.Payload = data
		found, err := newEvidence(ReasonFalseDigest, x).Verify(net.verify)
		if err != nil || found.Culprit != parties[1].id {
			t.Fatalf("%+v, %v", found, err)
		}
		for _, h := range honest {
			if bytes.Equal(h, data) && found.Proven {
				t.Fatal("an honest member's digest is proven false")
			}
		}
		session := newNetwork(t, net.spec)
		session.pulls = 1
		session.script = func(p packet) []packet {
			if p.to == 0 && p.from(t, parties[1], TypeDigest, "1") {
				p.data = wire(t, e)
			}
			return []packet{p}
		}
		session.run()
		if got := Culprits(session.players[0].err); got != nil && !slices.Equal(got, []PeerID{parties[1].id}) {
			t.Fatalf("party 0 blames %v", got)
		}
	})
}

// FuzzEvidence: no bytes make a proof but those of the messages that a cheat has signed.
func FuzzEvidence(f *testing.F) {
	signed := make(map[string]bool) // by the cheat
	for _, v := range sampleEvidence(f) {
		f.Add(encode(f, v))
		for _, x := range v.Exhibits {
			signed[string(x.Header.signed())] = true
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v Evidence
		if Unmarshal(data, &v) != nil {
			return
		}
		canonical(t, data, &v)
		canonical(t, encode(t, v.Brief()), v.Brief())
		if found, err := v.Verify(anyone); err == nil && (found.Culprit != v.Culprit || found.Why == "") {
			t.Fatalf("%+v", found)
		}
		found, err := v.Verify(verify)
		if err != nil {
			return
		}
		for i := range v.Exhibits {
			if !signed[string(v.Exhibits[i].Header.signed())] {
				t.Fatalf("nobody has signed exhibit %d of %+v", i, found)
			}
		}
		if found.Culprit != parties[1].id {
			t.Fatalf("%s is found guilty", found.Culprit)
		}
	})
}

// FuzzFraming puts evidence against an honest member together from all that it has signed in two
// sessions, with whatever payloads and reasons: it must never be a proof.
func FuzzFraming(f *testing.F) {
	f.Add([]byte{0, 2, 1, 0, 0, 2, 0, 0})
	f.Add([]byte{1, 1, 9, 1, 3, 0, 0, 0})
	f.Add([]byte{1, 1, 5, 2, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
	var honest []Envelope
	for _, spec := range []*Spec{signSpec(3), keygenSpec(2, 3)} {
		net := newNetwork(f, spec)
		net.run()
		net.players[2].session.phase = PhaseRounds // so that it has something to abort
		net.players[2].session.Abort(Failure{Code: CodeTimeout})
		for _, s := range net.players[2].session.out.sent {
			var e Envelope
			noError(f, Unmarshal(s.data, &e))
			honest = append(honest, e)
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		s := script(input)
		v := &Evidence{Version: EvidenceVersion, Culprit: parties[2].id, By: parties[1].id}
		v.Reason = []Reason{ReasonContradiction, ReasonFalseDigest, ReasonValue}[s.next()%3]
		for range 1 + s.next()%2 {
			e := honest[int(s.next())%len(honest)]
			x := e.exhibit()
			switch s.next() % 4 {
			case 0:
				x.Payload = e.Payload
			case 1:
				x.Payload = honest[int(s.next())%len(honest)].Payload
			case 2:
				x.Payload = slices.Clone(s.take(int(s.next())))
			}
			v.SID, v.Exhibits = e.Header.SID, append(v.Exhibits, x)
		}
		if found, err := v.Verify(verify); err == nil && found.Proven {
			t.Fatalf("an honest member is found guilty: %+v", found)
		}
	})
}
