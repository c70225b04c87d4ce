package protocol

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// A presigning ends with nothing but that its machine holds what was made. After that it still
// answers those that lack something, and nothing changes it any more: neither second
// thoughts of a member, nor its abort, nor a message of a later round.
func TestHeldSession(t *testing.T) {
	for n := 2; n <= 4; n++ {
		net := newNetwork(t, presignSpec(n))
		net.run()
		net.agreed()
		first := net.players[0]
		calls, sid := first.machine.calls, net.spec.SID()
		if round, rounds := first.session.Round(); round != toyPresigned || rounds != toyPresigned {
			t.Errorf("round %d of %d", round, rounds)
		}
		for name, h := range map[string]Header{
			"another nonce":     {Type: TypeRound, Round: 1, Name: "Nonce"},
			"the last message":  {Type: TypeRound, Round: 3, Name: "Sum"},
			"a later round":     {Type: TypeRound, Round: 4, Name: "End"},
			"an unknown round":  {Type: TypeRound, Round: 99, Name: "End"},
			"another digest":    {Type: TypeDigest, Round: 3, Name: "3"},
			"that it gives up":  {Type: TypeAbort},
			"that it confirms":  {Type: TypeConfirm},
			"that it was ready": {Type: TypeReady},
		} {
			h.SID, h.Seq = sid, 99
			out, err := first.session.Deliver(wire(t, Seal(parties[1], h, []byte("late"))), false)
			if err != nil || out.Dropped != "the session is done" {
				t.Errorf("%s: dropped %q, error %v", name, out.Dropped, err)
			}
		}
		if out := first.session.Abort(Failure{Code: CodeCancelled}); len(out.Broadcast) != 0 {
			t.Error("it tells others that it gives up what they hold")
		}
		wantDead(t, net, first)
		if first.machine.calls != calls || first.session.Phase() != PhaseHeld || len(first.session.in.held) != 0 {
			t.Errorf("phase %s, %d calls", first.session.Phase(), first.machine.calls-calls)
		}
		for slot, e := range first.session.in.slots {
			if len(e.Payload) != 0 {
				t.Errorf("the payload of %v stays in memory", slot)
			}
		}
		for _, p := range net.players {
			for _, name := range []string{"End", "Part"} {
				if p.sentName(name) {
					t.Errorf("%s has sent its %s", p.name, name)
				}
			}
		}
	}
}

// Who lacks the last message, or the last digest, gets it from a member that holds already.
func TestHoldingMembersAnswer(t *testing.T) {
	for n := 2; n <= 4; n++ {
		net := newNetwork(t, presignSpec(n))
		last := func(h Header) bool {
			return h.From == parties[1].id && (h.Name == "Sum" && n == 2 || h.Type == TypeDigest && h.Round == toyPresigned)
		}
		if back := prefixOf(net, func(h Header) bool { return !last(h) }); len(back) != 1 {
			t.Fatalf("%d messages held back", len(back))
		}
		first := net.players[0]
		for _, p := range net.players[1:] {
			if !p.held {
				t.Fatalf("%s: phase %s, error %v", p.name, p.session.Phase(), p.err)
			}
		}
		if pulls := first.session.Missing(); first.held || len(pulls) != 1 || pulls[parties[1].id] == nil {
			t.Fatalf("phase %s, it asks %v", first.session.Phase(), pulls)
		}
		net.pull()
		net.run()
		net.agreed()
	}
}

// The last message of the last round in a form that no member gives it, or beside one that the
// ceremony does not have, is its sender's fault, with an echo and without one.
func TestLastMessageOfAPresigning(t *testing.T) {
	surplus := Header{SID: SID{}, Type: TypeRound, Round: 3, Name: "Surplus", Seq: 9}
	for name, change := range map[string]func(p packet) []packet{
		"for one alone": func(p packet) []packet {
			p.data, p.direct = reseal(t, p.data, func(h *Header, _ *[]byte) { h.To = parties[0].id }), true
			return []packet{p}
		},
		"of the round before": func(p packet) []packet {
			p.data = reseal(t, p.data, func(h *Header, _ *[]byte) { h.Round-- })
			return []packet{p}
		},
		"with another one": func(p packet) []packet {
			h := surplus
			h.SID = headerOf(t, p.data).SID
			return []packet{{to: p.to, data: wire(t, Seal(parties[1], h, nil))}, p}
		},
	} {
		for n := 2; n <= 4; n++ {
			net := newNetwork(t, presignSpec(n))
			net.pulls = 3
			var late []packet // party 1's is the last to come
			net.script = func(p packet) []packet {
				if p.to == 0 && p.from(t, parties[1], TypeRound, "Sum") {
					late = append(late, change(p)...)
					return nil
				}
				return []packet{p}
			}
			for len(net.queue) > 0 {
				net.deliver(net.pick())
			}
			net.script = nil
			for _, p := range late {
				net.deliver(p)
			}
			first := net.players[0]
			if first.held {
				t.Errorf("%s, %d members: it is held", name, n)
			}
			wantBlame(t, first.err, parties[1])
			if b := blameOf(t, first.err); b.Evidence == nil {
				t.Errorf("%s: no evidence", name)
			}
		}
	}
}

// A signing of a presignature begins in round 4. What its presigning had is not for it,
// whether it is the very message or another one: its sender is at fault, at once.
func TestEarlierRoundsInABoundSigning(t *testing.T) {
	for n := 2; n <= 3; n++ {
		for round, names := range toySlots {
			for _, name := range append(slices.Clone(names), "Invented") {
				if round > toyPresigned {
					continue
				}
				for _, begun := range []bool{false, true} {
					net := newNetwork(t, boundSpec(n))
					first := net.players[0]
					if begun {
						net.deliver(packet{to: 0})
					}
					h := Header{SID: net.spec.SID(), Type: TypeRound, Round: round, Name: name, Seq: 9}
					if name == "Number" {
						h.To = first.id
					}
					net.deliver(packet{to: 0, data: wire(t, Seal(parties[1], h, number(parties[1].id, first.id))), direct: h.To != ""})
					wantBlame(t, first.err, parties[1])
					if b := blameOf(t, first.err); b.Reason != ReasonMessage || b.Round != round || b.Evidence == nil || !strings.Contains(b.Error(), "presigning") {
						t.Errorf("%s: %+v", name, b)
					} else if _, err := b.Evidence.Verify(verify); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					if first.machine.calls != 0 {
						t.Errorf("%s: the machine was called", name)
					}
				}
			}
		}
	}
}

// What others say in round 4 before this member has begun waits for it; it sends
// nothing before.
func TestRoundFourWaitsInTheSession(t *testing.T) {
	for n := 2; n <= 4; n++ {
		net := newNetwork(t, boundSpec(n))
		net.queue = net.queue[1:] // player 0 does not begin
		for len(net.queue) > 0 {
			net.deliver(net.pick())
		}
		first := net.players[0]
		if first.machine.calls != 0 || first.sentName("End") || len(first.session.in.held) != n-1 {
			t.Fatalf("%d calls, %d messages held", first.machine.calls, len(first.session.in.held))
		}
		if round, rounds := first.session.Round(); round != 0 || rounds != toyBound {
			t.Errorf("round %d of %d before it begins", round, rounds)
		}
		net.deliver(packet{to: 0})
		net.run()
		net.agreed()
	}
}

// Members that are told different things of one presignature are in different sessions:
// nothing that one says in round 4 fits the other, so that nobody gets to round 5.
func TestTwoSigningsOfOnePresignature(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"digest":      func(s *Spec) { s.Payload = digestOf("another message") },
		"approvals":   func(s *Spec) { s.Authorisation = []string{"others"} },
		"attempt":     func(s *Spec) { s.Attempt++ },
		"coordinator": func(s *Spec) { s.Coordinator = outsider.id },
		"account":     func(s *Spec) { s.Account += "x" },
		"expiry":      func(s *Spec) { s.Expires++ },
	} {
		for n := 2; n <= 4; n++ {
			ours, theirs := newNetwork(t, boundSpec(n)), boundSpec(n)
			change(theirs)
			first := ours.players[0]
			session, err := NewSession(SessionConfig{Spec: theirs, Signer: first.identity, Verify: verify, Machine: presignToy{first.machine}.bind()})
			noError(t, err)
			out, err := session.Ready()
			noError(t, err)
			if len(out.Broadcast) != 1 {
				t.Fatalf("%d messages of round 4", len(out.Broadcast))
			}
			ours.queue = append(ours.queue[1:], packet{to: 1, data: out.Broadcast[0]})
			ours.script = func(p packet) []packet {
				if p.to == 0 {
					got, err := session.Deliver(p.data, p.direct)
					if err != nil || got.Dropped != "of another session" {
						t.Errorf("%s: dropped %q, error %v", name, got.Dropped, err)
					}
					return nil
				}
				return []packet{p}
			}
			ours.pulls = 3
			for len(ours.queue) > 0 {
				ours.deliver(ours.pick())
			}
			for _, p := range ours.players[1:] {
				if p.done != nil || p.err != nil || p.sentName("Part") || slices.ContainsFunc(p.session.out.sent, func(s sentEnvelope) bool { return s.header.Round > 4 }) {
					t.Errorf("%s: %s goes on, error %v", name, p.name, p.err)
				}
				if !slices.Contains(p.session.waiting(), first.id) {
					t.Errorf("%s: %s waits for %v", name, p.name, p.session.waiting())
				}
			}
			if round, _ := session.Round(); round != 4 || len(session.out.sent) != 1 {
				t.Errorf("%s: the first is in round %d", name, round)
			}
		}
	}
}

// A machine and the spec of its session belong together.
func TestMachinesOfPresignings(t *testing.T) {
	fresh := func(s *Spec) Machine { return newToy(s, parties[0].id) }
	held := func(s *Spec) Machine { return presignToy{newToy(s, parties[0].id)} }
	over := func(s *Spec) Machine {
		return presignToy{&toy{self: parties[0].id, peers: s.Peers(), round: toyPresigned}}.bind()
	}
	for _, c := range []struct {
		spec    *Spec
		machine func(*Spec) Machine
		fits    bool
	}{
		{signSpec(2), fresh, true},
		{signSpec(2), held, false},
		{signSpec(2), over, false},
		{presignSpec(2), fresh, false},
		{presignSpec(2), held, true},
		{presignSpec(2), over, false},
		{boundSpec(2), fresh, false},
		{boundSpec(2), held, false},
		{boundSpec(2), over, true},
	} {
		_, err := NewSession(SessionConfig{Spec: c.spec, Signer: parties[0], Verify: verify, Machine: c.machine(c.spec)})
		if (err == nil) != c.fits || err != nil && !errors.Is(err, ErrSpec) {
			t.Errorf("%s, presignature %x, machine %T: error %v", c.spec.Kind, c.spec.Presign, c.machine(c.spec), err)
		}
	}
}

// Signings and presignings of the same parties that keep their shares, with one key and
// epoch, have one topic; all other sessions have their own.
func TestTopics(t *testing.T) {
	name := func(change func(*Spec)) string {
		s := signSpec(3)
		change(s)
		topic, shared := s.Topic()
		sid := s.SID()
		if shared != strings.HasPrefix(topic, "k/") || !shared && topic != SessionTopic(sid) || len(topic) != 2+64 {
			t.Errorf("topic %s, shared %v", topic, shared)
		}
		return topic
	}
	set := name(func(*Spec) {})
	for what, change := range map[string]func(*Spec){
		"session":      func(s *Spec) { s.Session = "another" },
		"attempt":      func(s *Spec) { s.Attempt++ },
		"message":      func(s *Spec) { s.Payload = digestOf("another") },
		"coordinator":  func(s *Spec) { s.Coordinator = outsider.id },
		"presignature": func(s *Spec) { *s = *boundSpec(3) },
		"presigning":   func(s *Spec) { *s = *presignSpec(3) },
	} {
		if got := name(change); got != set {
			t.Errorf("another %s has another topic %s", what, got)
		}
	}
	seen := map[string]string{set: "the set"}
	for what, change := range map[string]func(*Spec){
		"key":      func(s *Spec) { s.Key = "another" },
		"epoch":    func(s *Spec) { s.Epoch++ },
		"members":  func(s *Spec) { s.Roster = roster(2) },
		"order":    func(s *Spec) { slices.Reverse(s.Roster) },
		"keygen":   func(s *Spec) { *s = *keygenSpec(2, 3) },
		"delegate": func(s *Spec) { s.Roster[1].Role = Delegate },
		"external": func(s *Spec) { s.Roster[1].Role = External },
	} {
		got := name(change)
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the topic of %s", what, other)
		}
		seen[got] = what
	}
}
