package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// canonical fails if a value that was decoded from data is written differently.
func canonical(t *testing.T, data []byte, v any) {
	t.Helper()
	if again := encode(t, v); !bytes.Equal(again, data) {
		t.Fatalf("%x was accepted, and is written %x", data, again)
	}
}

func FuzzOpenEnvelope(f *testing.F) {
	e := Seal(parties[0], Header{SID: SID{1}, To: parties[1].id, Type: TypeRound, Round: 2, Name: "Number", Seq: 7}, []byte("payload"))
	f.Add(encode(f, e))
	f.Add(encode(f, Seal(parties[1], Header{Type: TypeReady}, nil)))
	f.Add(encode(f, Frame{Ack: &Ack{}}))
	f.Add([]byte{0xa3, 0x01, 0xbf, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, v := range []Verifier{verify, func(PeerID, []byte, []byte) bool { return true }} {
			opened, err := OpenEnvelope(data, v)
			if err != nil {
				continue
			}
			e := opened.envelope
			canonical(t, data, e)
			if e.Header.Hash != PayloadHash(e.Payload) || e.Header.Version != EnvelopeVersion {
				t.Fatalf("accepted header %+v", e.Header)
			}
		}
	})
}

func FuzzDecodeFrame(f *testing.F) {
	for _, frame := range sampleFrames() {
		f.Add(encode(f, frame))
	}
	f.Add(encode(f, Frame{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := DecodeFrame(data)
		if err != nil {
			return
		}
		var raw Frame // before the words of peers are cut
		noError(t, Unmarshal(data, &raw))
		canonical(t, data, &raw)
		again, err := DecodeFrame(encode(t, frame))
		noError(t, err)
		canonical(t, encode(t, frame), again)
		if n := merge(frame, &Frame{}); n != 1 {
			t.Fatalf("a frame with %d messages is accepted", n)
		}
		switch {
		case frame.Propose != nil:
			_ = frame.Propose.Spec.Validate()
			_, _ = Authorise(&frame.Propose.Spec, approvers, testNow)
			_, _ = Authorise(&frame.Propose.Spec, frame.Propose.Spec.Approvers, testNow)
		case frame.Outcome != nil && frame.Outcome.Record != nil:
			_ = frame.Outcome.Record.Verify(verify)
			_ = frame.Outcome.Record.Verify(func(PeerID, []byte, []byte) bool { return true })
		}
	})
}

func FuzzDecodeDirectFrame(f *testing.F) {
	for _, frame := range sampleDirectFrames() {
		f.Add(encode(f, frame))
	}
	f.Add(encode(f, DirectFrame{}))
	net := newNetwork(f, keygenSpec(2, 3))
	net.run()
	abandon := sampleDirectFrames()["abandon"].Endorse.Abandon
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := DecodeDirectFrame(data)
		if err != nil {
			return
		}
		canonical(t, data, frame)
		if count(len(frame.Envelope) > 0, frame.Pull != nil, frame.Endorse != nil) != 1 {
			t.Fatal("a direct frame with none or several is accepted")
		}
		if frame.Endorse != nil {
			_ = frame.Endorse.Certificate.Verify(verify)
			if s := frame.Endorse.Spec; s != nil {
				_ = s.Validate()
			}
			if a := frame.Endorse.Abandon; a != nil && a.Verify(verify) && (a.SID != abandon.SID || a.Party != abandon.Party) {
				t.Fatalf("%s never abandoned %s", a.Party, a.SID)
			}
		}
		if frame.Pull != nil {
			for _, answer := range net.players[0].session.Answer(parties[1].id, frame.Pull) {
				if to := headerOf(t, answer).To; to != "" && to != parties[1].id {
					t.Fatalf("an answer is for %s", to)
				}
			}
		}
	})
}

func FuzzSpec(f *testing.F) {
	for _, s := range []*Spec{keygenSpec(2, 3), signSpec(2), presignSpec(2), boundSpec(2), fullSpec(), {}} {
		f.Add(encode(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Spec
		if Unmarshal(data, &s) != nil {
			return
		}
		canonical(t, data, &s)
		if want := sha256.Sum256(append([]byte("mpc/spec/v1\x00"), data...)); s.SID() != want {
			t.Fatal("the session id is not the hash of what was received")
		}
		if s.Validate() != nil {
			return
		}
		if len(s.Roster) < MinThreshold || len(s.Roster) > MaxParties || s.Threshold > len(s.Roster) {
			t.Fatalf("a spec of %d with threshold %d is valid", len(s.Roster), s.Threshold)
		}
		var again Spec
		canonical(t, encode(t, &s), &s)
		noError(t, Unmarshal(encode(t, &s), &again))
		if again.SID() != s.SID() || !reflect.DeepEqual(again, s) {
			t.Fatal("a valid spec changes on the wire")
		}
	})
}

// script is what FuzzSessionDeliver reads from its input, byte by byte.
type script []byte

func (s *script) next() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

func (s *script) take(n int) []byte {
	n = min(n, len(*s))
	b := (*s)[:n]
	*s = (*s)[n:]
	return b
}

// mutate alters one field of a header or the payload, as its own signer could.
func (s *script) mutate(h *Header, payload *[]byte) {
	switch s.next() % 8 {
	case 0:
		h.Round = int(int8(s.next()))
	case 1:
		h.Name = string(s.take(3))
	case 2:
		h.Type = []Type{TypeReady, TypeRound, TypeDigest, TypeConfirm, TypeAbort, Type(s.take(2))}[s.next()%6]
	case 3:
		h.To = []PeerID{"", parties[0].id, parties[1].id, outsider.id}[s.next()%4]
	case 4:
		h.SID[s.next()%32] ^= s.next()
	case 5:
		*payload = bytes.Clone(s.take(int(s.next())))
	case 6:
		h.Seq = uint32(s.next())
	case 7:
		*payload = append(bytes.Clone(*payload), s.next())
	}
}

// step delivers one thing to party 0: bytes as they are, a real envelope, a
// damaged one, or one that its member has signed again after a change.
func (s *script) step(t *testing.T, net *network, real [][]byte) {
	first := net.players[0]
	data := bytes.Clone(real[int(s.next())%len(real)])
	direct := s.next()%2 == 0
	switch s.next() % 6 {
	case 0:
		net.deliver(packet{to: 0})
		return
	case 1:
		data = bytes.Clone(s.take(int(s.next())))
	case 2:
		data[int(s.next())%len(data)] ^= s.next()
	case 3:
		data = reseal(t, data, s.mutate)
	case 4:
		out, err := first.session.Resume()
		net.perform(first, out, err)
		return
	}
	out, err := first.session.Deliver(data, direct)
	net.perform(first, out, err)
}

// Whatever arrives in whatever order, a session does not panic, keeps the
// promises that network checks, and stays ended once it has ended.
func FuzzSessionDeliver(f *testing.F) {
	recorded := make(map[Kind][][]byte)
	for _, kind := range allKinds {
		net := newNetwork(f, specOf(kind, 3))
		net.run()
		for _, p := range net.players[1:] {
			recorded[kind] = append(recorded[kind], p.session.Answer(parties[0].id, &Pull{})...)
		}
	}
	straight := []byte{0, 0, 0, 0} // keygen; the first step is Ready
	for i := range byte(len(recorded[KindKeygen])) {
		straight = append(straight, i, 0, 5)
	}
	for kind := range byte(len(allKinds)) {
		f.Add(append([]byte{kind}, straight[1:]...))
	}
	f.Add([]byte{0, 0, 0, 0, 1, 0, 3, 7, 9, 1, 0, 3, 2, 4, 1, 0, 1, 5, 1, 2, 3, 4, 5})
	f.Add([]byte{1, 3, 0, 2, 40, 1, 0, 0, 0, 2, 1, 3, 0, 200, 0, 0, 4})
	f.Fuzz(func(t *testing.T, input []byte) {
		s := script(input)
		kind := allKinds[int(s.next())%len(allKinds)]
		net := newNetwork(t, specOf(kind, 3))
		first := net.players[0]
		for range 100 {
			if len(s) == 0 {
				break
			}
			ended, before := first.ended(), first.done
			s.step(t, net, recorded[kind])
			if ended && (!first.ended() || first.done != before) {
				t.Fatal("the session rose from the dead")
			}
			_ = first.session.Missing()
			_, _ = first.session.Round()
		}
		if first.held && first.session.Phase() != PhaseHeld || first.done != nil && first.session.Phase() != PhaseDone || first.err != nil && first.done == nil && !first.held && first.session.Phase() != PhaseFailed {
			t.Fatalf("phase %s, done %v, error %v", first.session.Phase(), first.done, first.err)
		}
	})
}

// FuzzSchedule tries schedules beyond those of TestSessionOnBadNetworks.
func FuzzSchedule(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { schedule(t, seed) })
}

// FuzzMalice tries villains beyond those of TestNoHonestMemberIsBlamed.
func FuzzMalice(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { malice(t, seed) })
}

// No token is accepted but what an approver has signed, and no claims but those
// of the request, in their one form.
func FuzzApproval(f *testing.F) {
	spec := signSpec(2)
	good, claims := approve(f, approverKey, spec, nil), claimsOf(f, spec)
	signedPart := good[:strings.LastIndexByte(good, '.')]
	f.Add(good, claims)
	f.Add(signedPart+".AAAA", strings.Replace(claims, `"epoch":0`, `"epoch":1`, 1))
	f.Add(token(header("none", ApprovalType, ""), claims, func([]byte) []byte { return nil }), claims+" ")
	f.Add("..", `{"aud":"testnet"}`)
	f.Fuzz(func(t *testing.T, raw, claims string) {
		s := signSpec(2)
		s.Authorisation = []string{raw}
		if _, err := Authorise(s, approvers, testNow); err == nil && !strings.HasPrefix(raw, signedPart+".") {
			t.Fatalf("%q is accepted", raw)
		}
		s.Authorisation = []string{token(header("EdDSA", ApprovalType, keyID(spki(approverKey))), claims, signEd25519)}
		until, err := Authorise(s, approvers, testNow)
		if err != nil {
			return
		}
		var a Approval
		noError(t, json.Unmarshal([]byte(claims), &a))
		want := ApprovalFor(s, time.Unix(a.NotBefore, 0), time.Duration(a.Expires-a.NotBefore)*time.Second)
		if !reflect.DeepEqual(a, want) || !until.After(testNow.Add(-time.Second)) {
			t.Fatalf("claims %s are accepted until %v", claims, until)
		}
	})
}

// Whatever a text is read as is written the same, and nothing but what was
// sealed opens.
func FuzzUserShare(f *testing.F) {
	user, bind := x25519(f, "user"), BindingFor(signSpec(2))
	info, err := bind.info()
	noError(f, err)
	enc, ciphertext := hpkeByHand(f, x25519(f, "ephemeral"), user.PublicKey(), info, []byte("share"))
	sealed := slices.Concat(user.PublicKey().Bytes(), enc, ciphertext) // the same in all of the fuzzer's processes
	f.Add(FormatShare(true, sealed))
	f.Add(FormatShare(false, encode(f, sampleUserRecord(f))))
	f.Add("mpcshare-plain-1.AA\n")
	f.Fuzz(func(t *testing.T, text string) {
		isSealed, data, err := ParseShare(text)
		if err != nil {
			return
		}
		if FormatShare(isSealed, data) != text {
			t.Fatalf("%q is written another way", text)
		}
		if plain, err := OpenShare(user, bind, data); err == nil && !bytes.Equal(data, sealed) {
			t.Fatalf("%x opens, as %q", data, plain)
		}
		if r, err := OpenUserShare(data, verify); err == nil {
			canonical(t, data, r)
		}
	})
}

func FuzzOpenSealKey(f *testing.F) {
	good, err := SignSealKey(parties[0], sampleSealKey(f))
	noError(f, err)
	f.Add(good)
	f.Add([]byte{0xa2, 0x01, 0xa0, 0x02, 0x40})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := OpenSealKey(data, verify); err == nil && !bytes.Equal(data, good) {
			t.Fatalf("%x is accepted", data)
		}
		if k, err := OpenSealKey(data, func(PeerID, []byte, []byte) bool { return true }); err == nil && len(k.Key) != RecipientSize {
			t.Fatalf("a key of %d bytes is accepted", len(k.Key))
		}
	})
}
