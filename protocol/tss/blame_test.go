package tss_test

import (
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto/commitments"
	ecsigning "github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	edkeygen "github.com/bnb-chain/tss-lib/v2/eddsa/keygen"
	edsigning "github.com/bnb-chain/tss-lib/v2/eddsa/signing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// rewrite changes the content of every message of bob by f.
func rewrite(t *testing.T, f func(proto.Message)) protocoltest.Options {
	t.Helper()
	return protocoltest.Options{Tamper: func(m protocol.Message, _ protocol.PeerID) []protocol.Message {
		if m.From != "bob" {
			return []protocol.Message{m}
		}
		var wire anypb.Any
		if err := proto.Unmarshal(m.Body, &wire); err != nil {
			t.Fatal(err)
		}
		content, err := wire.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		f(content)
		changed, err := anypb.New(content)
		if err != nil {
			t.Fatal(err)
		}
		if m.Body, err = proto.Marshal(changed); err != nil {
			t.Fatal(err)
		}
		return []protocol.Message{m}
	}}
}

// plusOne returns the big-endian number after b.
func plusOne(b []byte) []byte {
	v := new(big.Int).SetBytes(b)
	return v.Add(v, big.NewInt(1)).Bytes()
}

// wantBlame checks that nobody has a result and that alice blames these peers.
func wantBlame(t *testing.T, parties []protocoltest.Party, options protocoltest.Options, target error, culprits ...protocol.PeerID) {
	t.Helper()
	results, _, err := protocoltest.Run(parties, options)
	var failure *protocoltest.Failure
	if !errors.As(err, &failure) || results["alice"] != nil {
		t.Fatalf("alice has a result: %v", err)
	}
	err = failure.Errors["alice"]
	if !errors.Is(err, target) {
		t.Errorf("alice's error is %v, not %v", err, target)
	}
	if got := protocol.Culprits(err); !slices.Equal(got, culprits) {
		t.Errorf("alice blames %v, not %v: %v", got, culprits, err)
	}
}

func TestBlameWrongShare(t *testing.T) {
	options := rewrite(t, func(m proto.Message) {
		if m, ok := m.(*edkeygen.KGRound2Message1); ok {
			m.Share = plusOne(m.Share)
		}
	})
	parties := keygenParties(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 3})
	wantBlame(t, parties, options, tss.ErrMessage, "bob")
}

func TestBlameEmptyField(t *testing.T) {
	options := rewrite(t, func(m proto.Message) {
		if m, ok := m.(*edkeygen.KGRound1Message); ok {
			m.Commitment = nil
		}
	})
	parties := keygenParties(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 3})
	wantBlame(t, parties, options, tss.ErrMessage, "bob")
}

func TestBlameWrongRangeProof(t *testing.T) {
	options := rewrite(t, func(m proto.Message) {
		if m, ok := m.(*ecsigning.SignRound1Message1); ok {
			m.C = plusOne(m.C)
		}
	})
	k := newKey(t, protocol.ECDSA, protocol.Threshold{T: 2, N: 3})
	parties := signParties(t, k, protocoltest.Members(2), sid("range proof"), digest("range proof"))
	wantBlame(t, parties, options, tss.ErrAborted, "bob")
}

// A wrong part of an ECDSA signature shows only in the sum: nobody can be blamed,
// and no signature comes out. In EdDSA it has an author.
func TestBlameWrongPart(t *testing.T) {
	options := rewrite(t, func(m proto.Message) {
		switch m := m.(type) {
		case *ecsigning.SignRound9Message:
			m.S = plusOne(m.S)
		case *edsigning.SignRound3Message:
			m.S = plusOne(m.S)
		}
	})
	parties := func(scheme protocol.Scheme, signers int) []protocoltest.Party {
		k := newKey(t, scheme, protocol.Threshold{T: signers, N: signers + 1})
		return signParties(t, k, protocoltest.Members(signers), sid("sum"), digest("sum"))
	}
	wantBlame(t, parties(protocol.ECDSA, 2), options, tss.ErrAborted)
	for signers := 2; signers <= 4; signers++ {
		wantBlame(t, parties(protocol.EdDSA, signers), options, tss.ErrMessage, "bob")
	}
}

// The library panics when a decommitment opens to a point off the curve. The guard
// names who sent it.
func TestPointOffTheCurve(t *testing.T) {
	bad := commitments.NewHashCommitment(rand.Reader, big.NewInt(1), big.NewInt(2))
	options := rewrite(t, func(m proto.Message) {
		switch m := m.(type) {
		case *edsigning.SignRound1Message:
			m.Commitment = bad.C.Bytes()
		case *edsigning.SignRound2Message:
			m.DeCommitment = common.BigIntsToBytes(bad.D)
		}
	})
	k := newKey(t, protocol.EdDSA, protocol.Threshold{T: 2, N: 3})
	parties := signParties(t, k, protocoltest.Members(2), sid("panic"), digest("panic"))
	wantBlame(t, parties, options, tss.ErrMessage, "bob")
}
