package tss_test

import (
	"errors"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// The form of a message may be asked for whenever one arrives: also once the presigning was
// dropped, or bound to a digest.
func TestFormAfterTheEnd(t *testing.T) {
	k, signers := newKey(t, protocol.ECDSA, twoOfThree), protocoltest.Members(2)
	msg := protocol.Message{Round: 1, Name: "SignRound1Message2", From: signers[1].Peer, Body: []byte("x")}

	_, dropped := presignParties(t, k, signers, sid("form of what is dropped"))
	dropped[0].Drop()
	if err := dropped[0].Form(msg); !errors.Is(err, tss.ErrDead) {
		t.Errorf("dropped: %v", err)
	}
	held := presign(t, k, signers, sid("form of what is bound"))
	parties := bind(t, held, signers, digest("form"))
	if err := held[0].Form(msg); !errors.Is(err, tss.ErrDead) {
		t.Errorf("bound: %v", err)
	}
	if got := protocol.Culprits(parties[0].Machine.Form(msg)); len(got) != 1 || got[0] != signers[1].Peer {
		t.Errorf("the signing names %v", got)
	}
}
