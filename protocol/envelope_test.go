package protocol

import (
	"bytes"
	"errors"
	"testing"
)

func TestEnvelopeRoundTrip(t *testing.T) {
	for name, payload := range map[string][]byte{"none": nil, "empty": {}, "some": []byte("payload"), "175 kB": make([]byte, 175_000)} {
		e := Seal(parties[0], Header{SID: SID{1}, To: parties[1].id, Type: TypeRound, Round: 2, Name: "Number", Seq: 7}, payload)
		data, err := e.Encode()
		noError(t, err)
		opened, err := OpenEnvelope(data, verify)
		if err != nil {
			t.Fatalf("payload %s: %v", name, err)
		}
		got := opened.envelope
		if got.Header != e.Header || !bytes.Equal(got.Payload, payload) || !bytes.Equal(got.Signature, e.Signature) {
			t.Errorf("payload %s: %+v came back as %+v", name, e.Header, got.Header)
		}
	}
}

// Seal does not let its caller lie about what it fills in.
func TestSealFillsHeader(t *testing.T) {
	e := Seal(parties[0], Header{Version: 9, From: parties[1].id, Hash: [32]byte{1}}, []byte("x"))
	if e.Header.Version != EnvelopeVersion || e.Header.From != parties[0].id || e.Header.Hash != PayloadHash([]byte("x")) {
		t.Errorf("header %+v", e.Header)
	}
}

func TestEnvelopeSize(t *testing.T) {
	overhead := len(wire(t, Seal(parties[0], Header{}, make([]byte, 1<<17)))) - 1<<17
	for _, over := range []int{-1, 0, 1} {
		e := Seal(parties[0], Header{}, make([]byte, MaxEnvelope-overhead+over))
		data, err := e.Encode()
		if (err == nil) != (over <= 0) || (err != nil && !errors.Is(err, ErrEnvelope)) {
			t.Errorf("%+d bytes: Encode error %v", over, err)
		}
		if err == nil && over == 0 && len(data) != MaxEnvelope {
			t.Fatalf("%d bytes, want %d: the test counts wrongly", len(data), MaxEnvelope)
		}
		_, err = OpenEnvelope(wire(t, e), verify)
		if (err == nil) != (over <= 0) || (err != nil && !errors.Is(err, ErrEnvelope)) {
			t.Errorf("%+d bytes: OpenEnvelope error %v", over, err)
		}
	}
}

// No bit of an envelope can change without notice.
func TestEnvelopeBitFlips(t *testing.T) {
	data := wire(t, Seal(parties[0], Header{SID: SID{1}, Type: TypeReady, Seq: 1}, []byte("payload")))
	for i := range data {
		for bit := range 8 {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << bit
			if _, err := OpenEnvelope(changed, verify); !errors.Is(err, ErrEnvelope) {
				t.Errorf("bit %d of byte %d: error %v", bit, i, err)
			}
		}
	}
}

// A session that cannot encode what its ceremony says fails instead of sending.
func TestOversizeRoundMessageFailsTheSession(t *testing.T) {
	net := newNetwork(t, signSpec(2))
	out := outbox{signer: parties[0], sid: net.spec.SID()}
	_, err := out.send(Header{Type: TypeRound, Round: 1, Name: "Nonce"}, make([]byte, MaxEnvelope))
	wantError(t, err, ErrEnvelope, "at most")
	if len(out.sent) != 0 {
		t.Error("it is kept for pulls")
	}
}
