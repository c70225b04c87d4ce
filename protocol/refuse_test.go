package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// forge signs a header as it stands, with any key: unlike Seal, it lets a test
// lie about sender, version and hash.
func forge(signer *identity, h Header, payload []byte) *Envelope {
	return &Envelope{Header: h, Payload: payload, Signature: signer.Sign(h.signed())}
}

// wire encodes an envelope without the limits of Encode.
func wire(tb testing.TB, e *Envelope) []byte {
	tb.Helper()
	return encode(tb, e)
}

// hostile is a delivery that must be dropped for a reason.
type hostile struct {
	name   string
	data   []byte
	direct bool
	reason string
}

// headers that do not belong into a session of which party 1 is a member, at
// party 0.
func hostileHeaders(tb testing.TB, spec *Spec) []hostile {
	self, peer := parties[0], parties[1]
	good := Header{SID: spec.SID(), Type: TypeRound, Round: 1, Name: "Nonce", Seq: 9}
	with := func(change func(*Header)) []byte {
		h := good
		change(&h)
		return wire(tb, Seal(peer, h, []byte("payload")))
	}
	attempt := *spec
	attempt.Attempt++
	list := []hostile{
		{"another session", with(func(h *Header) { h.SID[0] ^= 1 }), false, "another session"},
		{"another attempt", with(func(h *Header) { h.SID = attempt.SID() }), false, "another session"},
		{"confidential on the topic", with(func(h *Header) { h.To = self.id }), false, "confidential message on the topic"},
		{"for another member", with(func(h *Header) { h.To = parties[2].id }), true, "for another member"},
		{"for an outsider", with(func(h *Header) { h.To = outsider.id }), true, "for another member"},
		{"for another member, on the topic", with(func(h *Header) { h.To = parties[2].id }), false, "for another member"},
		{"by an outsider", wire(tb, Seal(outsider, good, nil)), false, "not from another member"},
		{"by the coordinator", wire(tb, Seal(coordinator, good, nil)), true, "not from another member"},
		{"own message reflected", wire(tb, Seal(self, good, nil)), false, "not from another member"},
	}
	for _, typ := range []Type{"", "gossip", "READY", "round Nonce", "ready\x00"} {
		list = append(list, hostile{fmt.Sprintf("type %q", typ), with(func(h *Header) { h.Type, h.Round, h.Name = typ, 0, "" }), false, "unknown type"})
	}
	return list
}

// hostileBytes are not even envelopes of party 1.
func hostileBytes(tb testing.TB, spec *Spec) []hostile {
	peer := parties[1]
	h := Header{Version: EnvelopeVersion, SID: spec.SID(), From: peer.id, Type: TypeRound, Round: 1, Name: "Nonce", Seq: 9, Hash: PayloadHash([]byte("payload"))}
	good := forge(peer, h, []byte("payload"))
	signed := func(change func(*Header)) *Envelope {
		changed := h
		change(&changed)
		return forge(peer, changed, good.Payload)
	}
	after := func(change func(*Envelope)) []byte {
		e := *good
		change(&e)
		return wire(tb, &e)
	}
	data := wire(tb, good)
	list := []hostile{
		{"forged sender", wire(tb, forge(outsider, h, good.Payload)), false, ErrSignature.Error()},
		{"sender changed", after(func(e *Envelope) { e.Header.From = parties[2].id }), false, ErrSignature.Error()},
		{"no sender", wire(tb, signed(func(h *Header) { h.From = "" })), false, ErrSignature.Error()},
		{"name changed", after(func(e *Envelope) { e.Header.Name = "Sum" }), false, ErrSignature.Error()},
		{"round changed", after(func(e *Envelope) { e.Header.Round = 3 }), false, ErrSignature.Error()},
		{"sequence changed", after(func(e *Envelope) { e.Header.Seq++ }), false, ErrSignature.Error()},
		{"address removed", func() []byte {
			e := *Seal(peer, Header{SID: spec.SID(), To: parties[2].id, Type: TypeRound, Round: 2, Name: "Number"}, nil)
			e.Header.To = ""
			return wire(tb, &e)
		}(), false, ErrSignature.Error()},
		{"payload changed", after(func(e *Envelope) { e.Payload = []byte("another") }), false, "do not belong together"},
		{"hash of something else", wire(tb, signed(func(h *Header) { h.Hash[5] ^= 1 })), false, "do not belong together"},
		{"version 0", wire(tb, signed(func(h *Header) { h.Version = 0 })), false, "version 0"},
		{"version 2", wire(tb, signed(func(h *Header) { h.Version = 2 })), false, "version 2"},
		{"no signature", after(func(e *Envelope) { e.Signature = nil }), false, ErrSignature.Error()},
		{"short signature", after(func(e *Envelope) { e.Signature = e.Signature[:63] }), false, ErrSignature.Error()},
		{"long signature", after(func(e *Envelope) { e.Signature = append(bytes.Clone(e.Signature), 0) }), false, ErrSignature.Error()},
		{"oversize", wire(tb, Seal(peer, h, make([]byte, MaxEnvelope))), false, "bytes, at most"},
		{"trailing byte", append(bytes.Clone(data), 0), false, ErrEncoding.Error()},
		{"two envelopes", append(bytes.Clone(data), data...), false, ErrEncoding.Error()},
		{"nothing", nil, false, ErrEncoding.Error()},
		{"a frame", encode(tb, Frame{Ack: &Ack{SID: spec.SID()}}), true, ErrEncoding.Error()},
		{"indefinite map", append(append([]byte{0xbf}, data[1:]...), 0xff), false, ErrEncoding.Error()},
		{"tagged", append([]byte{0xd9, 0xd9, 0xf7}, data...), false, ErrEncoding.Error()},
		{"long map length", append([]byte{0xb8, 3}, data[1:]...), false, ErrEncoding.Error()},
	}
	for cut := 0; cut < len(data); cut += 7 {
		list = append(list, hostile{fmt.Sprintf("cut at %d", cut), data[:cut], false, ErrEncoding.Error()})
	}
	return list
}

// Whatever arrives that is not a member's well-formed message for this party is
// dropped at every moment of a session, and the session ends well all the same:
// otherwise anyone could end it.
func TestHostileMessagesAreDropped(t *testing.T) {
	for _, kind := range allKinds {
		net := newNetwork(t, specOf(kind, 3))
		list := append(hostileHeaders(t, net.spec), hostileBytes(t, net.spec)...)
		first := net.players[0]
		for len(net.queue) > 0 {
			p := net.pick()
			if p.to == 0 {
				for _, h := range list {
					checkDropped(t, first, h)
				}
			}
			net.deliver(p)
		}
		net.agreed()
	}
}

func checkDropped(t *testing.T, p *player, h hostile) {
	t.Helper()
	slots, held := len(p.session.in.slots), len(p.session.in.held)
	reason := h.reason
	if p.done != nil || p.held {
		reason = "session is done"
	}
	if o, err := OpenEnvelope(h.data, p.session.cfg.Verify); err == nil && !strings.Contains(p.session.Useless(o, h.direct), reason) {
		t.Fatalf("%s: of no use for %q, want %q", h.name, p.session.Useless(o, h.direct), reason)
	}
	out, err := p.session.Deliver(h.data, h.direct)
	switch {
	case err != nil:
		t.Fatalf("%s ended the session: %v", h.name, err)
	case !strings.Contains(out.Dropped, reason):
		t.Fatalf("%s: dropped with %q, want %q", h.name, out.Dropped, reason)
	case out.Save != nil || out.Done != nil || len(out.Broadcast)+len(out.Direct) != 0:
		t.Fatalf("%s made the session act", h.name)
	case len(p.session.in.slots) != slots || len(p.session.in.held) != held:
		t.Fatalf("%s is kept in memory", h.name)
	}
}

// What no honest member sends ends the session when it arrives, whatever round it claims and
// whether or not the rounds have begun, with its signer named: held until its round, it
// would come to light when the last message has left.
func TestFormIsJudgedOnArrival(t *testing.T) {
	for name, h := range map[string]Header{
		"an invented name":       {Round: 1, Name: "Invented"},
		"an invented last round": {Round: toyRounds, Name: "Invented"},
		"under a later round":    {Round: toyRounds, Name: "Echo"},
		"under an earlier round": {Round: 1, Name: "End"},
		"direct":                 {Round: toyRounds, Name: "End", To: parties[0].id},
		"on the topic":           {Round: 2, Name: "Number"},
	} {
		for _, started := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, started %v", name, started), func(t *testing.T) {
				net := newNetwork(t, signSpec(3))
				first := net.players[0].session
				if started {
					_, err := first.Ready()
					noError(t, err)
				}
				h.SID, h.Type = net.spec.SID(), TypeRound
				out, err := first.Deliver(wire(t, Seal(parties[1], h, []byte("x"))), h.To != "")
				wantBlame(t, err, parties[1])
				var b *Blame
				if !errors.As(err, &b) || b.Reason != ReasonMessage || b.Evidence == nil || len(b.Evidence.Exhibits) != 1 {
					t.Errorf("%+v is all that is said", b)
				}
				if len(out.Broadcast)+len(out.Direct) > 0 || len(first.in.held) > 0 {
					t.Error("something is sent, or kept")
				}
			})
		}
	}
}
