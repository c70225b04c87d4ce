package tss

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"sync/atomic"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
)

// minDistanceBits is the least bit length of |P - Q| of a Paillier modulus, so
// that Fermat's factoring method does not find them.
const minDistanceBits = safePrimeBits - 3

// PreParams is what a party of an ECDSA key brings to its keygen: the safe primes
// of a Paillier modulus N and of a ring-Pedersen modulus Ñ (GG18 calls it
// N-tilde) with h1 and h2. A set makes one key; NewKeygen refuses it a second
// time. All of it is secret.
//
// # Distribution
//
// The library tests random q with the top two bits set, moving each start up to
// the next q without tiny factors. Here a start q0 is uniform over the numbers
// 5 mod 6 of that range (all Sophie Germain primes are 5 mod 6), a window of
// sieveWindow candidates above it is tested in random order, and a window
// without a hit is thrown away. A prime lies in the windows of 2^16 of the S
// starts and a window has μ = 1.03 safe primes on average and at least one with
// probability 0.64, so no prime comes out with more than μ/0.64 = 1.6 times the
// probability 1/(μS/2^16) that it has under the uniform distribution: at most
// 0.7 of about 1,000 bits of min-entropy are lost. (Primes in dense regions are
// a little less likely, those near the lower end of the range too. Incremental
// search, as in the library and most generators, favours primes after long
// gaps; the random order does not.)
//
// The pairing differs too. The library draws pairs for N until |P-Q| ≥ 2^1020,
// which 7 of 16 pairs fail. Here four primes are drawn and the first far-apart
// pair of them, in random order, makes N; if there is none, one prime is
// replaced. Any given result arises from at most the six choices of the pair, so
// the four primes keep all but 3 of their 4,000 bits. The only trace is that the
// pair left for Ñ is close together more often than independent primes are;
// within 2^1020 of 2^1024 that helps no factoring method, and the library asks
// nothing of that pair.
type PreParams struct {
	params keygen.LocalPreParams
	used   atomic.Bool
}

// take marks the set as used and returns it, once.
func (p *PreParams) take() (keygen.LocalPreParams, error) {
	if p.used.Swap(true) {
		return keygen.LocalPreParams{}, fmt.Errorf("%w: this set has made a key already", ErrPreParams)
	}
	return p.params, nil
}

// assemble makes a set of four safe primes, the first two for N.
func assemble(s []*safePrime) (*PreParams, error) {
	nTilde := new(big.Int).Mul(s[2].p, s[3].p)
	order := new(big.Int).Mul(s[2].q, s[3].q)
	for {
		alpha := common.GetRandomPositiveRelativelyPrimeInt(rand.Reader, nTilde)
		if new(big.Int).ModInverse(alpha, order) == nil {
			continue
		}
		f := common.GetRandomPositiveRelativelyPrimeInt(rand.Reader, nTilde)
		h1 := f.Mul(f, f)
		return derive(s, h1.Mod(h1, nTilde), alpha)
	}
}

// derive completes a set: everything else follows from the primes, h1 and alpha.
func derive(s []*safePrime, h1, alpha *big.Int) (*PreParams, error) {
	nTilde := new(big.Int).Mul(s[2].p, s[3].p)
	beta := new(big.Int).ModInverse(alpha, new(big.Int).Mul(s[2].q, s[3].q))
	if beta == nil {
		return nil, fmt.Errorf("%w: alpha has no inverse", ErrPreParams)
	}
	return &PreParams{params: keygen.LocalPreParams{
		PaillierSK: paillierKey(s[0].p, s[1].p),
		NTildei:    nTilde,
		H1i:        h1,
		H2i:        new(big.Int).Exp(h1, alpha, nTilde),
		Alpha:      alpha,
		Beta:       beta,
		P:          s[2].q,
		Q:          s[3].q,
	}}, nil
}

// paillierKey returns the key of N = P·Q.
func paillierKey(p, q *big.Int) *paillier.PrivateKey {
	p1, q1 := new(big.Int).Sub(p, bigOne), new(big.Int).Sub(q, bigOne)
	phi := new(big.Int).Mul(p1, q1)
	gcd := new(big.Int).GCD(nil, nil, p1, q1)
	return &paillier.PrivateKey{
		PublicKey: paillier.PublicKey{N: new(big.Int).Mul(p, q)},
		LambdaN:   new(big.Int).Div(phi, gcd),
		PhiN:      phi,
		P:         new(big.Int).Set(p),
		Q:         new(big.Int).Set(q),
	}
}
