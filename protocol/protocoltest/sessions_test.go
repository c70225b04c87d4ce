package protocoltest_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// playTalk runs a session of four members whose machines only talk.
func playTalk(t *testing.T, script protocoltest.Script, machine func(protocol.Machine) protocol.Machine) *protocoltest.Played {
	t.Helper()
	ids := protocoltest.Identities(4)
	c := newCeremony(protocol.KindSign, protocol.EdDSA, protocol.Threshold{T: 4, N: 4})
	r := &run{tb: t, ceremony: c, label: t.Name(), ids: ids}
	script.Spec = r.spec()
	for _, id := range ids {
		m := protocol.Machine(&talk{self: id.ID(), members: script.Spec.Peers()})
		if id == ids[0] && machine != nil {
			m = machine(m)
		}
		script.Seats = append(script.Seats, protocoltest.Seat{Signer: id, Machine: m})
	}
	played, err := protocoltest.Play(script)
	if err != nil {
		t.Fatal(err)
	}
	return played
}

func TestPlay(t *testing.T) {
	for seed := range uint64(50) {
		played := playTalk(t, protocoltest.Script{Seed: seed, Reorder: true}, nil)
		for peer, e := range played.Endings {
			if e.Done == nil || string(e.Done.Signature) != peer || len(e.Sent) != talkRounds*4 {
				t.Fatalf("seed %d: %s ends with %v after %d messages", seed, peer, e.Err, len(e.Sent))
			}
		}
	}
}

// What is lost once is pulled; what is always lost ends at the deadline.
func TestPlayLoss(t *testing.T) {
	lose := func(always bool) *protocoltest.Played {
		return playTalk(t, protocoltest.Script{Tamper: func(p protocoltest.Parcel) []protocoltest.Parcel {
			if p.Direct && (always || !p.Pulled) {
				return nil
			}
			return []protocoltest.Parcel{p}
		}}, nil)
	}
	for _, e := range lose(false).Endings {
		if e.Done == nil {
			t.Errorf("pulled: %v", e.Err)
		}
	}
	for peer, e := range lose(true).Endings {
		if !errors.Is(e.Err, protocoltest.ErrDeadline) || len(e.Waited) != 3 || slices.Contains(e.Waited, peer) {
			t.Errorf("lost: %v, waited for %v", e.Err, e.Waited)
		}
	}
}

// panics is a machine that does in its second step.
type panics struct {
	protocol.Machine
	steps int
}

func (m *panics) Step(msg protocol.Message) (protocol.Step, error) {
	if m.steps++; m.steps == 2 {
		panic("out of range")
	}
	return m.Machine.Step(msg)
}

func TestPlayPanic(t *testing.T) {
	played := playTalk(t, protocoltest.Script{}, func(m protocol.Machine) protocol.Machine { return &panics{Machine: m} })
	first := protocoltest.NewIdentity("alice").ID()
	for peer, e := range played.Endings {
		if want := map[bool]error{true: protocoltest.ErrPanicked, false: protocoltest.ErrDeadline}[peer == first]; !errors.Is(e.Err, want) {
			t.Errorf("%s: %v", peer, e.Err)
		}
	}
}

// The receipt of a bad parcel is recorded, and how long after it a session ends.
func TestPlayMarks(t *testing.T) {
	played := playTalk(t, protocoltest.Script{Tamper: func(p protocoltest.Parcel) []protocoltest.Parcel {
		var e protocol.Envelope
		if err := protocol.Unmarshal(p.Data, &e); err != nil {
			t.Fatal(err)
		}
		p.Bad = e.Header.Name == "All2" && p.To == protocoltest.NewIdentity("alice").ID()
		return []protocoltest.Parcel{p}
	}}, nil)
	for peer, e := range played.Endings {
		alice := peer == protocoltest.NewIdentity("alice").ID()
		if e.Bad != alice || (alice && e.Hops != 1) {
			t.Errorf("%s: bad %v, %d hops", peer, e.Bad, e.Hops)
		}
		for _, s := range e.Sent {
			if s.Late != (alice && s.Header.Round == 3) {
				t.Errorf("%s: round %d, late %v", peer, s.Header.Round, s.Late)
			}
		}
	}
}
