package tss

import (
	"errors"
	"math/big"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshmpc/mpcd/protocol"
)

// waitingMachines returns a machine without a party of the library, at each round
// of each ceremony.
func waitingMachines(tb testing.TB) []*machine {
	tb.Helper()
	var machines []*machine
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		s, err := suiteOf(scheme)
		if err != nil {
			tb.Fatal(err)
		}
		for _, c := range []*ceremony{s.keygen, s.sign} {
			for round := 1; round <= c.rounds; round++ {
				m := newMachine(c, newRoster([]string{"alice", "bob"}, []*big.Int{big.NewInt(1), big.NewInt(2)}, "alice"))
				m.runner.guard = noGuard{}
				m.enter(round)
				machines = append(machines, m)
			}
		}
	}
	return machines
}

// FuzzParseMessage feeds the stage before the library, which must admit exactly
// what the table has. (The library itself may panic on its own goroutines, which no
// fuzzer survives.)
func FuzzParseMessage(f *testing.F) {
	machines := waitingMachines(f)
	for i, m := range machines {
		for _, t := range m.ceremony.inRound(m.round) {
			wire, err := anypb.New(t.content.ProtoReflect().New().Interface())
			if err != nil {
				f.Fatal(err)
			}
			body, err := proto.Marshal(wire)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), t.name, t.round, t.direct, body)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, name string, round int, direct bool, body []byte) {
		m := machines[int(which)%len(machines)]
		msg := protocol.Message{Round: round, Name: name, From: "bob", Body: body}
		if direct {
			msg.To = "alice"
		}
		slot, parsed, err := m.admit(&msg)
		if err != nil {
			if !errors.Is(err, ErrMessage) && !errors.Is(err, ErrDelivery) {
				t.Errorf("%v is no error of this package", err)
			}
			return
		}
		row := m.ceremony.byName[name]
		if m.waiting[slot] != (protocol.Slot{From: "bob", Name: name}) || round != m.round || direct != row.direct ||
			parsed.IsBroadcast() == direct || parsed.GetFrom().Id != "bob" ||
			parsed.Content().ProtoReflect().Descriptor() != row.content.ProtoReflect().Descriptor() {
			t.Errorf("%s of round %d was admitted as %v", name, round, parsed.Type())
		}
	})
}

// The tables agree with the library about what exists.
func TestTables(t *testing.T) {
	for _, m := range waitingMachines(t) {
		if m.ceremony.rounds != m.ceremony.types[len(m.ceremony.types)-1].round {
			t.Error("the rows are not in order")
		}
		for _, row := range m.ceremony.types {
			if row.limit <= 0 || row.limit > protocol.MaxEnvelope || row.round < 1 || m.ceremony.byName[row.name] != row {
				t.Errorf("%s: limit %d, round %d", row.url, row.limit, row.round)
			}
		}
	}
}
