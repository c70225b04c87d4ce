package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// sampleFrames has every frame, with every field set.
func sampleFrames() map[string]Frame {
	sid := SID{1, 2, 3}
	spec := signSpec(2)
	spec.Authorisation = []string{"token"}
	return map[string]Frame{
		"propose":       {Propose: &Propose{Spec: *spec}},
		"delegate":      {Propose: &Propose{Spec: *spec, UserShare: FormatShare(true, []byte("sealed"))}},
		"share request": {ShareRequest: &ShareRequest{ID: "request-1", Key: spec.Key, Epoch: 1, Recipient: digestOf("recipient"), Erase: true}},
		"share reply": {ShareReply: &ShareReply{
			ID: "request-1", Code: CodeNoShare, Detail: "erased", Share: FormatShare(false, []byte("plain")), Expires: testNow.Unix(), Erased: true,
		}},
		"held":     {Held: &Held{SID: presignSpec(2).SID(), Until: presignSpec(2).HoldUntil}},
		"forget":   {Forget: &Forget{}},
		"presign":  {Propose: &Propose{Spec: *presignSpec(2)}},
		"bound":    {Propose: &Propose{Spec: *boundSpec(2)}},
		"missing":  {Answer: &Answer{SID: sid, Code: CodeNoPresign, Detail: "it is used up"}},
		"cancel":   {Cancel: &Cancel{SID: sid, Reason: "the caller went away"}},
		"ack":      {Ack: &Ack{SID: sid}},
		"accepted": {Answer: &Answer{SID: sid}},
		"refused":  {Answer: &Answer{SID: sid, Code: CodeBusy, Detail: "64 sessions run"}},
		"progress": {Progress: &Progress{SID: sid, Phase: PhaseRounds, Round: 2, Rounds: 9, Missing: []PeerID{parties[0].id}}},
		"keygen":   {Outcome: &Outcome{SID: sid, Record: sampleKeygenRecord()}},
		"sign":     {Outcome: &Outcome{SID: sid, Record: SignRecord(parties[0], RecordBody{Spec: *spec, Signature: make([]byte, 64), Recovery: 1})}},
		"declined": {Answer: &Answer{SID: sid, Code: CodeQuarantined, Detail: "a member is in quarantine", Peers: []PeerID{parties[1].id}}},
		"blame": {Outcome: &Outcome{SID: sid, Failure: &Failure{
			Code: CodeProtocol, Detail: "two messages", Culprits: []PeerID{parties[1].id}, Reason: ReasonContradiction, Evidence: sampleContradiction(),
		}}},
		"failure": {Outcome: &Outcome{SID: sid, Failure: &Failure{Code: CodeProtocol, Detail: "a proof is wrong", Culprits: []PeerID{parties[1].id}}}},
	}
}

func sampleDirectFrames() map[string]DirectFrame {
	partial := sampleCertificate(keygenSpec(2, 3))
	partial.Signatures[1] = nil
	return map[string]DirectFrame{
		"envelope":   {SID: SID{1}, Envelope: []byte{1, 2, 3}},
		"pull":       {SID: SID{1}, Pull: &Pull{Have: []Have{{TypeReady, ""}, {TypeRound, "Nonce"}}}},
		"empty pull": {SID: SID{1}, Pull: &Pull{}},
		"endorse":    {SID: keygenSpec(2, 3).SID(), Endorse: &Endorse{Certificate: *partial, Reply: true}},
		"question":   {SID: keygenSpec(2, 3).SID(), Endorse: &Endorse{Certificate: *partial, Spec: keygenSpec(2, 3)}},
		"abandon":    {SID: keygenSpec(2, 3).SID(), Endorse: &Endorse{Reply: true, Abandon: SignAbandon(parties[1], keygenSpec(2, 3).SID())}},
	}
}

func TestFramesRoundTrip(t *testing.T) {
	for name, f := range sampleFrames() {
		got, err := DecodeFrame(encode(t, f))
		if err != nil || !bytes.Equal(encode(t, got), encode(t, f)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, f := range sampleDirectFrames() {
		got, err := DecodeDirectFrame(encode(t, f))
		if err != nil || !bytes.Equal(encode(t, got), encode(t, f)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// Every pair of frames in one is refused, and so is none.
func TestFrameCarriesExactlyOneMessage(t *testing.T) {
	_, err := DecodeFrame(encode(t, Frame{}))
	wantError(t, err, ErrFrame, "exactly one")
	names := slices.Sorted(maps.Keys(sampleFrames()))
	for _, a := range names {
		for _, b := range names {
			f, g := sampleFrames()[a], sampleFrames()[b]
			if both := merge(&f, &g); both > 1 {
				if _, err := DecodeFrame(encode(t, f)); !errors.Is(err, ErrFrame) {
					t.Errorf("%s and %s: error %v", a, b, err)
				}
			}
		}
	}
	record, failure := sampleFrames()["sign"].Outcome.Record, sampleFrames()["failure"].Outcome.Failure
	for name, o := range map[string]Outcome{"neither": {}, "both": {Record: record, Failure: failure}} {
		if _, err := DecodeFrame(encode(t, Frame{Outcome: &o})); !errors.Is(err, ErrFrame) {
			t.Errorf("an outcome with %s: error %v", name, err)
		}
	}
}

// merge sets in f what g has and f has not, and counts what f has then.
func merge(f, g *Frame) int {
	n := 0
	for i := range reflect.TypeFor[Frame]().NumField() {
		to, from := reflect.ValueOf(f).Elem().Field(i), reflect.ValueOf(g).Elem().Field(i)
		if to.IsNil() {
			to.Set(from)
		}
		if !to.IsNil() {
			n++
		}
	}
	return n
}

func TestDirectFrameCarriesExactlyOneMessage(t *testing.T) {
	for name, f := range map[string]DirectFrame{
		"none":           {SID: SID{1}},
		"empty envelope": {SID: SID{1}, Envelope: []byte{}},
		"both":           {SID: SID{1}, Envelope: []byte{1}, Pull: &Pull{}},
		"pull, endorse":  {SID: SID{1}, Pull: &Pull{}, Endorse: &Endorse{}},
	} {
		_, err := DecodeDirectFrame(encode(t, f))
		if !errors.Is(err, ErrFrame) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	// An empty envelope that is spelled out is not what Marshal writes.
	spelled := append(append([]byte{0xa2, 0x01, 0x58, 0x20}, make([]byte, 32)...), 0x02, 0x40)
	_, err := DecodeDirectFrame(spelled)
	wantError(t, err, ErrEncoding, "direct frame")
}

func TestFramesRefuseDamage(t *testing.T) {
	for name, f := range sampleFrames() {
		data := encode(t, f)
		for cut := 0; cut < len(data); cut += 1 + len(data)/50 {
			_, err := DecodeFrame(data[:cut])
			wantError(t, err, ErrEncoding, "frame")
		}
		_, err := DecodeFrame(append(bytes.Clone(data), 0))
		if err == nil {
			t.Errorf("%s with a trailing byte is accepted", name)
		}
		if _, err := DecodeDirectFrame(data); err == nil {
			t.Errorf("%s is accepted on the other channel", name)
		}
	}
	for name, f := range sampleDirectFrames() {
		if _, err := DecodeFrame(encode(t, f)); err == nil {
			t.Errorf("%s is accepted on the other channel", name)
		}
	}
}

func TestHeartbeat(t *testing.T) {
	h := Heartbeat{
		Version: 7, Network: "testnet", Peer: outsider.id, Boot: 1, Seq: 2, Time: testNow.UnixMilli(), Software: "1.0",
		Labels: map[string]string{"zone": "b", "a": "1", "aa": ""}, Sessions: 3, Stock: 4, Keys: 5, Draining: true,
	}
	data, err := SealHeartbeat(parties[0], h)
	noError(t, err)
	got, err := OpenHeartbeat(data, verify)
	noError(t, err)
	h.Version, h.Peer = HeartbeatVersion, parties[0].id // these are not the caller's to choose
	if !reflect.DeepEqual(got, &h) {
		t.Errorf("%+v came back as %+v", h, got)
	}
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 1
		if _, err := OpenHeartbeat(changed, verify); !errors.Is(err, ErrSignature) && !errors.Is(err, ErrEncoding) {
			t.Errorf("byte %d changed: error %v", i, err)
		}
	}
	for name, damaged := range map[string][]byte{"cut": data[:len(data)-1], "trailing byte": append(bytes.Clone(data), 0), "nothing": nil} {
		_, err := OpenHeartbeat(damaged, verify)
		if !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, version := range []uint8{0, 2} {
		h.Version = version
		_, err := OpenHeartbeat(encode(t, SignedHeartbeat{Body: h, Signature: parties[0].Sign(h.signed())}), verify)
		wantError(t, err, ErrEncoding, fmt.Sprintf("version %d", version))
	}
}

// What a peer says in its own words is cut before anybody logs it.
func TestDetailsAreCut(t *testing.T) {
	long := strings.Repeat("é", MaxDetail)
	f, err := DecodeFrame(encode(t, Frame{Answer: &Answer{Code: CodeBusy, Detail: long}}))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Answer.Detail; len(got) > MaxDetail || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("a detail of %d bytes became %d bytes ending in %q", len(long), len(got), got[len(got)-6:])
	}
}
