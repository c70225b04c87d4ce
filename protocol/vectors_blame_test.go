package protocol

import "testing"

// sampleContradiction is party 1's.
func sampleContradiction() *Evidence {
	h := Header{SID: keygenSpec(2, 3).SID(), Type: TypeRound, Round: 1, Name: "KGRound1Message", Seq: 2}
	v := newEvidence(ReasonContradiction, Seal(parties[1], h, []byte("one")).exhibit(), Seal(parties[1], h, []byte("another")).exhibit())
	v.By, v.Detail = parties[0].id, "two different messages"
	return v
}

// blameVectors are what members agree by, and what proves who has cheated.
func blameVectors(tb testing.TB) []*vector {
	tb.Helper()
	sid := keygenSpec(2, 3).SID()
	digest := &vector{title: "Digest of party 0 after round 1 of the keygen above: the payload of its echo"}
	var d Digest
	for _, i := range []int{1, 2} {
		for _, e := range []*Envelope{
			Seal(parties[i], Header{SID: sid, Type: TypeReady, Seq: 1}, contribution(i)),
			Seal(parties[i], Header{SID: sid, Type: TypeRound, Round: 1, Name: "KGRound1Message", Seq: 2}, []byte("round 1")),
		} {
			d.claim(e)
		}
	}
	payload := digest.encoded(tb, d)
	echo := &vector{title: "Envelope: that echo"}
	echo.encoded(tb, Seal(parties[0], Header{SID: sid, Type: TypeDigest, Round: 1, Name: "1", Seq: 3}, payload))

	contradiction := &vector{title: "Evidence: a contradiction of party 1"}
	contradiction.finding(tb, sampleContradiction())
	lie := &vector{title: "Evidence: a digest of party 0 that claims what party 1 has not signed"}
	d.Heard[0].Hash[0] ^= 1
	e := Seal(parties[0], Header{SID: sid, Type: TypeDigest, Round: 1, Name: "1", Seq: 3}, encode(tb, d))
	v := newEvidence(ReasonFalseDigest, Exhibit{Header: e.Header, Signature: e.Signature, Payload: e.Payload})
	v.By, v.Detail = parties[2].id, "it did not sign what it claims"
	lie.finding(tb, v)

	abandon := &vector{title: "Abandon of the keygen above by party 1"}
	abandon.add("preimage", "sid, then the peer id")
	sig := abandon.signed(parties[1], abandon.hashed("mpc/abandon/v1", append(sid[:], parties[1].id...)))
	a := SignAbandon(parties[1], sid)
	same(tb, abandon.title, a.Signature, sig)
	abandon.encoded(tb, a)

	list := []*vector{digest, echo, contradiction, lie, abandon}
	for _, name := range []string{"declined", "blame"} {
		v := &vector{title: "Frame: " + name}
		v.encoded(tb, sampleFrames()[name])
		list = append(list, v)
	}
	for _, name := range []string{"question", "abandon"} {
		v := &vector{title: "DirectFrame: " + name}
		v.encoded(tb, sampleDirectFrames()[name])
		list = append(list, v)
	}
	return list
}

// finding adds evidence that is proven by itself.
func (v *vector) finding(tb testing.TB, e *Evidence) {
	tb.Helper()
	v.encoded(tb, e)
	f, err := e.Verify(verify)
	if err != nil || !f.Proven {
		tb.Errorf("%s: %+v, %v", v.title, f, err)
	}
	v.add("proven", "%v", f.Proven)
}
