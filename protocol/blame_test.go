package protocol

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// reseal signs an envelope of a known identity again after a change.
func reseal(tb testing.TB, data []byte, change func(*Header, *[]byte)) []byte {
	tb.Helper()
	var e Envelope
	noError(tb, Unmarshal(data, &e))
	h, payload := e.Header, e.Payload
	change(&h, &payload)
	return wire(tb, Seal(identities[h.From], h, payload))
}

func otherPayload(_ *Header, payload *[]byte) { *payload = append([]byte("other "), *payload...) }

// wantBlame checks that err blames exactly one member.
func wantBlame(t *testing.T, err error, culprit *identity) {
	t.Helper()
	if got := Culprits(err); !slices.Equal(got, []PeerID{culprit.id}) {
		t.Fatalf("error %v blames %v, want %s", err, got, culprit.id)
	}
	if !strings.Contains(err.Error(), culprit.id) {
		t.Errorf("error %q does not name the culprit", err)
	}
}

// wantDead checks that after its end a session does nothing but answer.
func wantDead(t *testing.T, net *network, p *player) {
	t.Helper()
	calls := p.machine.calls
	again := wire(t, Seal(parties[1], Header{SID: net.spec.SID(), Type: TypeRound, Round: 1, Name: "Fresh"}, nil))
	out, err := p.session.Deliver(again, false)
	if p.done == nil && !errors.Is(err, p.err) || p.done != nil && err != nil {
		t.Errorf("Deliver after the end: error %v, want %v", err, p.err)
	}
	if out.Dropped == "" || out.Save != nil || out.Done != nil || len(out.Broadcast)+len(out.Direct) > 0 {
		t.Errorf("Deliver after the end acts: %+v", out)
	}
	if out, _ := p.session.Ready(); out.Save != nil || out.Done != nil || len(out.Broadcast)+len(out.Direct) > 0 {
		t.Errorf("Ready after the end acts: %+v", out)
	}
	if out, _ := p.session.Resume(); out.Save != nil || out.Done != nil || len(out.Broadcast)+len(out.Direct) > 0 {
		t.Errorf("Resume after the end acts: %+v", out)
	}
	if pulls := p.session.Missing(); len(pulls) != 0 {
		t.Errorf("a session that has ended asks for %v", pulls)
	}
	if len(p.session.Answer(parties[1].id, &Pull{})) == 0 {
		t.Error("a session that has ended answers nobody")
	}
	if p.machine.calls != calls {
		t.Error("the machine was called after the end")
	}
}

// Two signed messages for one slot end the session at whoever sees both, and
// name their signer; it does not matter whether the first is still held.
func TestContradictionBlamesItsSigner(t *testing.T) {
	for _, kind := range kinds {
		for _, name := range []string{"ready", "Nonce", "Number", "Echo", "confirm"} {
			if kind == KindSign && (name == "ready" || name == "confirm") {
				continue
			}
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				net := newNetwork(t, specOf(kind, 3))
				first := net.players[0]
				for len(net.queue) > 0 && !first.ended() {
					p := net.pick()
					if p.to != 0 || p.data == nil || first.ended() {
						net.deliver(p)
						continue
					}
					h := headerOf(t, p.data)
					if h.Type == TypeConfirm && h.From == parties[2].id {
						continue // it would end the session well
					}
					net.deliver(p)
					if h.From == parties[1].id && (h.Name == name || string(h.Type) == name) {
						p.data = reseal(t, p.data, otherPayload)
						net.deliver(p)
					}
				}
				wantBlame(t, first.err, parties[1])
				wantDead(t, net, first)
				if first.done != nil || first.active != nil {
					t.Error("a session that was contradicted ended well")
				}
			})
		}
	}
}

func TestSamePayloadToAllAndToOneIsAContradiction(t *testing.T) {
	net := newNetwork(t, signSpec(3))
	h := Header{SID: net.spec.SID(), Type: TypeRound, Round: 2, Name: "Echo"}
	first := net.players[0]
	net.deliver(packet{to: 0, data: wire(t, Seal(parties[1], h, nil))})
	h.To = first.id
	net.deliver(packet{to: 0, data: wire(t, Seal(parties[1], h, nil)), direct: true})
	wantBlame(t, first.err, parties[1])
}

// A copy is dropped, and so is the same message with another sequence number or
// on the other way.
func TestIdenticalDuplicates(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 3))
	first := net.players[0]
	var seen []packet
	for len(net.queue) > 0 {
		p := net.pick()
		net.deliver(p)
		if p.to != 0 || p.data == nil {
			continue
		}
		seen = append(seen, p)
		for _, old := range seen {
			if first.ended() {
				break
			}
			for _, data := range [][]byte{old.data, reseal(t, old.data, func(h *Header, _ *[]byte) { h.Seq += 100 })} {
				o, err := OpenEnvelope(data, first.session.cfg.Verify)
				if noError(t, err); first.session.Useless(o, true) != "a duplicate" {
					t.Fatalf("copy of %+v: of no use for %q", headerOf(t, old.data), first.session.Useless(o, true))
				}
				out, err := first.session.Deliver(data, true)
				if err != nil || out.Dropped != "a duplicate" {
					t.Fatalf("copy of %+v: dropped %q, error %v", headerOf(t, old.data), out.Dropped, err)
				}
			}
		}
	}
	net.agreed()
}

func TestContradictionAfterTheEnd(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 2))
	net.run()
	net.agreed()
	first := net.players[0]
	for _, data := range net.players[1].session.Answer(first.id, &Pull{}) {
		out, err := first.session.Deliver(reseal(t, data, otherPayload), true)
		if err != nil || out.Dropped == "" {
			t.Errorf("error %v, dropped %q", err, out.Dropped)
		}
	}
	wantDead(t, net, first)
}

func TestAbortEndsTheOthers(t *testing.T) {
	for _, kind := range kinds {
		net := newNetwork(t, specOf(kind, 4))
		quitter := net.players[2]
		why := Failure{Code: CodeStorage, Detail: "the disk is full", Culprits: []PeerID{parties[0].id}}
		net.deliver(net.pick())
		net.perform(quitter, quitter.session.Abort(why), nil)
		quitter.err = errors.New("it gave up")
		net.run()
		if quitter.session.Phase() != PhaseFailed {
			t.Errorf("phase %s after Abort", quitter.session.Phase())
		}
		if out := quitter.session.Abort(Failure{Code: CodeTimeout}); len(out.Broadcast) != 0 {
			t.Error("a second Abort contradicts the first")
		}
		for _, p := range net.players {
			if p == quitter {
				continue
			}
			var aborted *Aborted
			if !errors.As(p.err, &aborted) {
				t.Fatalf("%s: error %v", p.name, p.err)
			}
			if aborted.By != quitter.id || aborted.Failure.Code != CodeStorage || aborted.Failure.Detail != why.Detail {
				t.Errorf("%s: %v", p.name, aborted)
			}
			wantError(t, p.err, nil, quitter.id)
			if got := Culprits(p.err); got != nil {
				t.Errorf("%s takes the quitter's word against %v", p.name, got)
			}
		}
	}
}

// The abort is pulled like any other message.
func TestAbortIsAnswered(t *testing.T) {
	net := newNetwork(t, signSpec(2))
	first, second := net.players[0], net.players[1]
	net.deliver(packet{to: 0})
	second.session.Abort(Failure{Code: CodeTimeout, Detail: "late"}) // and nothing of it arrives
	for _, data := range second.session.Answer(first.id, first.session.Missing()[second.id]) {
		net.deliver(packet{to: 0, data: data, direct: true})
	}
	var aborted *Aborted
	if !errors.As(first.err, &aborted) || aborted.By != second.id {
		t.Fatalf("error %v", first.err)
	}
	wantDead(t, net, first)
}

func TestUnreadableAbort(t *testing.T) {
	net := newNetwork(t, signSpec(2))
	first := net.players[0]
	net.deliver(packet{to: 0})
	net.deliver(packet{to: 0, data: wire(t, Seal(parties[1], Header{SID: net.spec.SID(), Type: TypeAbort}, []byte("no CBOR")))})
	var aborted *Aborted
	if !errors.As(first.err, &aborted) || aborted.Failure.Code != CodeProtocol {
		t.Fatalf("error %v", first.err)
	}
}

func TestAbortAfterAGoodEnd(t *testing.T) {
	net := newNetwork(t, keygenSpec(2, 3))
	net.run()
	first := net.players[0]
	if out := first.session.Abort(Failure{Code: CodeCancelled}); len(out.Broadcast) != 0 {
		t.Error("a session that is done tells the others that it failed")
	}
	net.agreed()
}

// tampered runs a session in which party 1's messages of one type are changed on
// their way to those for whom to returns true.
func tampered(t *testing.T, spec *Spec, typ Type, to func(int) bool, change func(*Header, *[]byte)) *network {
	t.Helper()
	net := newNetwork(t, spec)
	for len(net.queue) > 0 {
		p := net.pick()
		if p.data != nil && to(p.to) {
			if h := headerOf(t, p.data); h.From == parties[1].id && h.Type == typ {
				p.data = reseal(t, p.data, change)
			}
		}
		net.deliver(p)
	}
	return net
}

func everyone(int) bool { return true }

func TestWrongConfirmation(t *testing.T) {
	for name, change := range map[string]func(*Header, *[]byte){
		"bit flipped":  func(_ *Header, p *[]byte) { *p = bytes.Clone(*p); (*p)[3] ^= 1 },
		"empty":        func(_ *Header, p *[]byte) { *p = nil },
		"too long":     func(_ *Header, p *[]byte) { *p = append(bytes.Clone(*p), 0) },
		"another body": func(_ *Header, p *[]byte) { *p = parties[1].Sign((&CertificateBody{}).Signed()) },
	} {
		t.Run(name, func(t *testing.T) {
			net := tampered(t, keygenSpec(2, 3), TypeConfirm, everyone, change)
			for _, i := range []int{0, 2} {
				p := net.players[i]
				wantError(t, p.err, ErrDisagreement, parties[1].id)
				if p.done != nil || p.active != nil || p.pending == nil {
					t.Errorf("%s: done %v, active %v, pending %v", p.name, p.done, p.active, p.pending)
				}
				wantDead(t, net, p)
			}
		})
	}
}

// Whoever tells two members different contributions is found before anybody has a
// share.
func TestEquivocationInContributions(t *testing.T) {
	net := tampered(t, keygenSpec(2, 3), TypeReady, func(i int) bool { return i == 0 }, func(_ *Header, p *[]byte) { *p = contribution(99) })
	for i, p := range net.players {
		if p.pending != nil || p.active != nil || p.done != nil {
			t.Errorf("%s has a share", p.name)
		}
		if i != 1 {
			wantBlame(t, p.err, parties[1])
			wantProof(t, p.err, ReasonContradiction)
		}
	}
}

func blameOf(t *testing.T, err error) *Blame {
	t.Helper()
	var b *Blame
	if !errors.As(err, &b) {
		t.Fatalf("error %v blames nobody", err)
	}
	return b
}

// wantProof checks that anybody can see from an error's evidence who is at fault.
func wantProof(t *testing.T, err error, reason Reason) {
	t.Helper()
	b := blameOf(t, err)
	if b.Reason != reason || b.Evidence == nil {
		t.Fatalf("error %v has no evidence of a %s", err, reason)
	}
	f, err := b.Evidence.Verify(verify)
	if err != nil || !f.Proven || f.Culprit != b.Culprits[0] || f.Reason != reason {
		t.Errorf("the evidence shows %+v, error %v", f, err)
	}
}

func TestContributionOfAWrongSize(t *testing.T) {
	for _, size := range []int{0, 1, 31, 33, 1000} {
		net := tampered(t, keygenSpec(2, 3), TypeReady, everyone, func(_ *Header, p *[]byte) { *p = make([]byte, size) })
		for _, i := range []int{0, 2} {
			p := net.players[i]
			wantBlame(t, p.err, parties[1])
			if p.pending != nil || p.active != nil || p.machine.round != 0 {
				t.Errorf("%s began a ceremony that cannot end", p.name)
			}
		}
	}
}

// Signers do not wait for each other: they send no readiness, and one that comes, whatever it
// carries and however often it contradicts itself, is dropped before it takes any place.
func TestNoReadinessInASigning(t *testing.T) {
	net := newNetwork(t, signSpec(3))
	first := net.players[0]
	for i, payload := range [][]byte{nil, contribution(1), contribution(2), make([]byte, 100<<10)} {
		for _, to := range []PeerID{"", first.id} {
			h := Header{SID: net.spec.SID(), Type: TypeReady, Seq: uint32(i), To: to}
			out, err := first.session.Deliver(wire(t, Seal(parties[1], h, payload)), true)
			if err != nil || !strings.Contains(out.Dropped, "only a keygen") {
				t.Errorf("a readiness of %d bytes: dropped %q, error %v", len(payload), out.Dropped, err)
			}
		}
	}
	if n := first.session.in.bytes[parties[1].id]; n != 0 || len(first.session.in.slots) != 0 {
		t.Errorf("%d bytes are kept", n)
	}
	net.run()
	net.agreed()
	for _, p := range net.players {
		if p.session.out.sentType(TypeReady) {
			t.Errorf("%s says that it is ready", p.name)
		}
	}
}

// A machine's blame reaches the caller, and the machine is left alone after it.
func TestMachineBlames(t *testing.T) {
	net := newNetwork(t, signSpec(3))
	for len(net.queue) > 0 {
		p := net.pick()
		if p.data != nil && p.to == 0 {
			if h := headerOf(t, p.data); h.Name == "Number" && h.From == parties[2].id {
				p.data = reseal(t, p.data, otherPayload)
			}
		}
		net.deliver(p)
	}
	first := net.players[0]
	wantBlame(t, first.err, parties[2])
	var b *Blame
	if !errors.As(first.err, &b) || b.Round != 2 {
		t.Errorf("error %#v is not of round 2", first.err)
	}
	wantDead(t, net, first)
	if !errors.Is(&Blame{Err: ErrEncoding}, ErrEncoding) {
		t.Error("a blame hides its cause")
	}
	if got := (&Blame{Round: 3, Err: ErrEncoding}).Error(); !strings.Contains(got, "nobody") {
		t.Errorf("blame without culprits says %q", got)
	}
}
