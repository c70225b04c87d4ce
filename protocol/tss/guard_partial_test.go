package tss

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"filippo.io/edwards25519"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/eddsa/signing"

	"github.com/meshmpc/mpcd/protocol"
)

// partialOf returns a machine of alice in round 3, for which this part of bob's, modulo L,
// fits: his share is chosen for it, x = (s - r) / (h·λ).
func partialOf(tb testing.TB, s *big.Int) *machine {
	tb.Helper()
	m := newMaker(tb, protocol.EdDSA)
	curve := edCurve{m.suite.curve.Params()}
	point := func(k []byte) *crypto.ECPoint { return crypto.ScalarBaseMult(curve, new(big.Int).SetBytes(k)) }
	nonce := m.scalar()
	setup := &signSetup{
		share: &Share{suite: m.suite, public: point(m.scalar())}, payload: []byte("message"),
		signers: []party{{key: big.NewInt(11), bigX: point(m.scalar())}, {key: big.NewInt(12)}},
	}
	g := newEdDSASignGuard(setup)
	g.partials.nonce(0, point(m.scalar()))
	g.partials.nonce(1, point(nonce))
	g.partials.challenge()
	factor := edwards25519.NewScalar().Multiply(g.partials.h, g.partials.coefficient(1))
	x := edwards25519.NewScalar().Subtract(canonicalScalar(new(big.Int).Mod(s, curve.params.N).Bytes()), canonicalScalar(nonce))
	x.Multiply(x, factor.Invert(factor))
	le := x.Bytes()
	slices.Reverse(le)
	setup.signers[1].bigX = point(le)

	machine := newMachine(m.suite.sign, newRoster([]string{"alice", "bob"}, []*big.Int{big.NewInt(11), big.NewInt(12)}, "alice"))
	machine.runner.guard = g
	machine.enter(3)
	return machine
}

// The part S of an EdDSA signature is 1 ≤ S < L: RFC 8032 §5.1.7 wants the sum below L, and
// the library cuts each part to 32 bytes. Its equation holds modulo L for all of these.
func TestExactPartial(t *testing.T) {
	order := newEdCurve().Params().N
	add := func(v int64) *big.Int { return new(big.Int).Add(order, big.NewInt(v)) }
	for _, test := range []struct {
		name string
		s    *big.Int
		pass bool
	}{
		{"0", new(big.Int), false},
		{"1", bigOne, true},
		{"L-1", add(-1), true},
		{"L", order, false},
		{"L+1", add(1), false},
	} {
		body := test.s.Bytes()
		if len(body) == 0 {
			body = []byte{0}
		}
		msg := &protocol.Message{Round: 3, Name: "SignRound3Message", From: "bob", Body: marshalAny(t, &signing.SignRound3Message{S: body})}
		_, _, err := partialOf(t, test.s).admit(msg)
		blamed := errors.Is(err, ErrMessage) && slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"})
		if (err == nil) != test.pass || blamed == test.pass {
			t.Errorf("S = %s: %v", test.name, err)
		}
	}
}
