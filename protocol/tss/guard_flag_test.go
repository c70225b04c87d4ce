package tss_test

import (
	"errors"
	"slices"
	"testing"

	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// The library takes a broadcast that came directly, without a word, and then waits
// for it for ever. The machine names the sender.
func TestWrongWay(t *testing.T) {
	th := protocol.Threshold{T: 2, N: 2}
	machine, sent := first(t, keygenParties(t, protocol.EdDSA, th))
	party, _, ids := tss.Library(machine)
	bob := ids[slices.IndexFunc(ids, func(id *tsslib.PartyID) bool { return id.Id == "bob" })]
	if ok, err := party.UpdateFromBytes(sent[0].Body, bob, false); !ok || err != nil {
		t.Errorf("the library: %v, %v", ok, err)
	}
	if waiting := party.WaitingFor(); len(waiting) != 1 || waiting[0].Id != "bob" {
		t.Errorf("the library waits for %v", waiting)
	}

	machine, sent = first(t, keygenParties(t, protocol.EdDSA, th))
	m := sent[0]
	m.To = "alice"
	_, err := machine.Step(m)
	if !errors.Is(err, tss.ErrMessage) || !slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"}) {
		t.Errorf("the machine: %v", err)
	}
}
