package tss_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// first returns alice's machine, started, and what the others sent in round 1.
func first(t *testing.T, parties []protocoltest.Party) (protocol.Machine, []protocol.Message) {
	t.Helper()
	var sent []protocol.Message
	for _, p := range parties {
		step, err := p.Machine.Start()
		if err != nil {
			t.Fatal(err)
		}
		if p.Peer != "alice" {
			sent = append(sent, step.Send...)
		}
	}
	return parties[0].Machine, sent
}

// What a machine refuses, whose fault it is, and that it is dead afterwards.
func TestRefusedMessages(t *testing.T) {
	tests := []struct {
		name   string
		change func(*protocol.Message)
		err    error
		blamed bool
	}{
		{"unknown name", func(m *protocol.Message) { m.Name = "KGRound9Message" }, tss.ErrMessage, true},
		{"name of another ceremony", func(m *protocol.Message) { m.Name = "SignRound1Message" }, tss.ErrMessage, true},
		{"wrong round number", func(m *protocol.Message) { m.Round = 2 }, tss.ErrMessage, true},
		{"broadcast sent directly", func(m *protocol.Message) { m.To = "alice" }, tss.ErrMessage, true},
		{"direct message broadcast", func(m *protocol.Message) { m.Name, m.Round = "KGRound2Message1", 2 }, tss.ErrMessage, true},
		{"too long", func(m *protocol.Message) { m.Body = make([]byte, 17<<10) }, tss.ErrMessage, true},
		{"no protobuf", func(m *protocol.Message) { m.Body = []byte("\xff\xff\xff") }, tss.ErrMessage, true},
		{"empty", func(m *protocol.Message) { m.Body = nil }, tss.ErrMessage, true},
		{"other type inside", func(m *protocol.Message) { m.Body = slices.Concat(m.Body[:40], []byte("3"), m.Body[41:]) }, tss.ErrMessage, true},
		{"trailing field", func(m *protocol.Message) { m.Body = append(slices.Clone(m.Body), 0x98, 0x06, 1) }, tss.ErrMessage, true},
		{"later round", func(m *protocol.Message) { m.Name, m.Round = "KGRound2Message2", 2 }, tss.ErrDelivery, false},
		{"for somebody else", func(m *protocol.Message) { m.To = "carol" }, tss.ErrDelivery, false},
		{"from a stranger", func(m *protocol.Message) { m.From = "mallory" }, tss.ErrDelivery, false},
		{"from nobody", func(m *protocol.Message) { m.From = "" }, tss.ErrDelivery, false},
		{"from itself", func(m *protocol.Message) { m.From = "alice" }, tss.ErrDelivery, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			machine, sent := first(t, keygenParties(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 3}))
			m := sent[0]
			test.change(&m)
			step, err := machine.Step(m)
			if !errors.Is(err, test.err) || len(step.Send) > 0 || step.Result != nil {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if culprits := protocol.Culprits(err); test.blamed != slices.Equal(culprits, []protocol.PeerID{"bob"}) {
				t.Errorf("blames %v", culprits)
			}
			if _, err := machine.Step(sent[0]); !errors.Is(err, tss.ErrDead) {
				t.Errorf("after an error: %v", err)
			}
		})
	}
}

func TestSecondMessage(t *testing.T) {
	machine, sent := first(t, keygenParties(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 3}))
	if _, err := machine.Step(sent[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := machine.Step(sent[0]); !errors.Is(err, tss.ErrDelivery) {
		t.Fatalf("a duplicate gives %v", err)
	}
}

func TestRoundsAndWaiting(t *testing.T) {
	parties := keygenParties(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 3})
	machine := parties[0].Machine
	if machine.Round() != 0 || machine.Rounds() != 2 || len(machine.Waiting()) != 0 {
		t.Fatalf("before Start: round %d of %d, waiting for %v", machine.Round(), machine.Rounds(), machine.Waiting())
	}
	machine, sent := first(t, parties)
	want := []protocol.Slot{{From: "bob", Name: "KGRound1Message"}, {From: "carol", Name: "KGRound1Message"}}
	waiting := machine.Waiting()
	slices.SortFunc(waiting, func(a, b protocol.Slot) int { return len(a.From) - len(b.From) })
	if machine.Round() != 1 || !slices.Equal(waiting, want) {
		t.Fatalf("round %d waits for %v", machine.Round(), waiting)
	}
	if step, err := machine.Step(sent[0]); err != nil || len(step.Send) != 0 || len(machine.Waiting()) != 1 {
		t.Fatalf("after one of two: %v, sends %d, waits for %v", err, len(step.Send), machine.Waiting())
	}
	step, err := machine.Step(sent[1])
	if err != nil || machine.Round() != 2 || len(machine.Waiting()) != 4 || len(step.Send) != 3 {
		t.Fatalf("after both: %v, round %d, sends %d, waits for %v", err, machine.Round(), len(step.Send), machine.Waiting())
	}
}

func TestStartOnce(t *testing.T) {
	machine, _ := first(t, keygenParties(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 2}))
	if _, err := machine.Start(); !errors.Is(err, tss.ErrDelivery) {
		t.Errorf("a second Start gives %v", err)
	}
	if _, err := machine.Start(); !errors.Is(err, tss.ErrDead) {
		t.Errorf("a third Start gives %v", err)
	}
}

func TestDeadAfterResult(t *testing.T) {
	parties := keygenParties(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 2})
	if _, _, err := protocoltest.Run(parties, protocoltest.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := parties[0].Machine.Step(protocol.Message{}); !errors.Is(err, tss.ErrDead) {
		t.Errorf("after the result: %v", err)
	}
	if len(parties[0].Machine.Waiting()) != 0 {
		t.Error("it waits for more after the result")
	}
}

// A panic of the library on our goroutine ends the ceremony, not the process.
func TestPanic(t *testing.T) {
	parties := keygenParties(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 2})
	machine, sent := first(t, parties)
	tss.Kill(machine)
	_, err := machine.Step(sent[0])
	if !errors.Is(err, tss.ErrPanic) || len(protocol.Culprits(err)) != 0 {
		t.Fatalf("got %v, blaming %v", err, protocol.Culprits(err))
	}
	if _, err := machine.Step(sent[0]); !errors.Is(err, tss.ErrDead) {
		t.Errorf("after the panic: %v", err)
	}
}
