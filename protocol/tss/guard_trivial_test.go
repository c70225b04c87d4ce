package tss_test

import (
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto/mta"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// aliceRandomness is what a prover of round 1 should draw at random (GG18, eprint
// 2019/114, appendix A.1).
type aliceRandomness struct{ m, r, rho, alpha, beta, gamma *big.Int }

// proveAlice makes the ciphertext and the proof with any randomness.
func proveAlice(n, nTilde, h1, h2 *big.Int, x aliceRandomness) (*big.Int, *mta.RangeProofAlice) {
	pk := &paillier.PublicKey{N: n}
	square := pk.NSquare()
	power2 := func(modulus, a, i, b, j *big.Int) *big.Int { // a^i·b^j
		v := new(big.Int).Exp(a, i, modulus)
		return v.Mul(v, new(big.Int).Exp(b, j, modulus)).Mod(v, modulus)
	}
	c := power2(square, pk.Gamma(), x.m, x.r, n)
	p := &mta.RangeProofAlice{
		Z: power2(nTilde, h1, x.m, h2, x.rho),
		U: power2(square, pk.Gamma(), x.alpha, x.beta, n),
		W: power2(nTilde, h1, x.alpha, h2, x.gamma),
	}
	e := common.RejectionSample(secpOrder, common.SHA512_256i(append(pk.AsInts(), c, p.Z, p.U, p.W)...))
	p.S = power2(n, x.r, e, x.beta, big.NewInt(1))
	p.S1 = new(big.Int).Add(new(big.Int).Mul(e, x.m), x.alpha)
	p.S2 = new(big.Int).Add(new(big.Int).Mul(e, x.rho), x.gamma)
	return c, p
}

// The library takes proofs of round 1 without randomness; the guard does not.
func TestTrivialRangeProofs(t *testing.T) {
	s := signScene(protocol.ECDSA)(t)
	n, _, _, _ := tss.Moduli(s.key.shares["alice"], "bob")
	_, nTilde, h1, h2 := tss.Moduli(s.key.shares["alice"], "alice")
	draw := func(limit *big.Int) *big.Int { return common.GetRandomPositiveInt(rand.Reader, limit) }
	q3 := product(secpOrder, secpOrder, secpOrder)
	honest := func() aliceRandomness {
		return aliceRandomness{
			m: draw(secpOrder), r: draw(n), beta: draw(n), alpha: draw(q3),
			rho: draw(product(secpOrder, nTilde)), gamma: draw(product(q3, nTilde)),
		}
	}
	tests := []struct {
		name   string
		change func(*aliceRandomness)
		pass   bool
	}{
		{"honest", func(*aliceRandomness) {}, true},
		{"S is one", func(x *aliceRandomness) { x.r, x.beta = big.NewInt(1), big.NewInt(1) }, false},
		{"Z is one", func(x *aliceRandomness) { x.m, x.rho = new(big.Int), new(big.Int) }, false},
		{"S1 is S2", func(x *aliceRandomness) { x.rho, x.gamma = x.m, x.alpha }, false},
		{"S2 above its bound", func(x *aliceRandomness) { x.gamma = new(big.Int).Lsh(x.gamma, 8) }, false},
	}
	s.recorded = slices.DeleteFunc(s.record(), func(m protocol.Message) bool { return m.Round > 1 })
	for _, test := range tests {
		x := honest()
		test.change(&x)
		c, proof := proveAlice(n, nTilde, h1, h2, x)
		if !proof.Verify(tsslib.S256(), &paillier.PublicKey{N: n}, nTilde, h1, h2, c) {
			t.Errorf("%s: the library refuses it", test.name)
		}
		_, err := s.guarded(&violation{change: altered(func(_ *scene, m *signing.SignRound1Message1) {
			parts := proof.Bytes()
			m.C, m.RangeProofAlice = c.Bytes(), parts[:]
		})})
		blamed := errors.Is(err, tss.ErrMessage) && slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"})
		if (err == nil) != test.pass || blamed == test.pass {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
