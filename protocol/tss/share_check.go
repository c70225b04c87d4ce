package tss

import (
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto"

	"github.com/meshmpc/mpcd/protocol"
)

// Check proves that the share is sound before it is used or stored: the own
// secret belongs to the own public share, all public shares lie on one polynomial
// of degree t-1 whose value at 0 is the public key, and the own Paillier primes
// belong to the own modulus. It takes (n-t+1)·t multiplications on the curve:
// about a millisecond for 2-of-3.
func (s *Share) Check() error {
	q := s.suite.curve.Params().N
	keys := make([]*big.Int, len(s.parties))
	for i, p := range s.parties {
		keys[i] = p.key
		if !s.suite.primeOrder(p.bigX.X(), p.bigX.Y()) {
			return fmt.Errorf("%w: the public share of %s has a wrong order", ErrShare, p.peer)
		}
	}
	if !distinctNonZero(keys, q) {
		return fmt.Errorf("%w: two parties have the same key", ErrShare)
	}
	own := &s.parties[s.self]
	if !crypto.ScalarBaseMult(s.suite.curve, s.xi).Equals(own.bigX) {
		return fmt.Errorf("%w: the secret does not belong to the public share of %s", ErrShare, own.peer)
	}
	if s.Scheme() == protocol.ECDSA && new(big.Int).Mul(s.p, s.q).Cmp(own.n) != 0 {
		return fmt.Errorf("%w: the primes do not belong to the modulus of %s", ErrShare, own.peer)
	}
	return s.checkPolynomial()
}

// checkPolynomial interpolates every window of t neighbouring parties at 0. Two
// neighbouring windows share t-1 points and the value at 0, which fix the
// polynomial of degree t-1; so if all give the public key, all parties lie on one.
func (s *Share) checkPolynomial() error {
	for first := 0; first+s.threshold <= len(s.parties); first++ {
		window := s.parties[first : first+s.threshold]
		at0, err := s.interpolate(window)
		if err != nil || !at0.Equals(s.public) {
			return fmt.Errorf("%w: the public shares of %s and the next %d parties do not make the public key",
				ErrShare, window[0].peer, s.threshold-1)
		}
	}
	return nil
}

// interpolate returns the sum of λ_j·X_j with the Lagrange coefficients at 0.
func (s *Share) interpolate(parties []party) (*crypto.ECPoint, error) {
	q := s.suite.curve.Params().N
	var sum *crypto.ECPoint
	for j := range parties {
		num, den := big.NewInt(1), big.NewInt(1)
		for k := range parties {
			if k == j {
				continue
			}
			num.Mul(num, parties[k].key).Mod(num, q)
			den.Mul(den, new(big.Int).Sub(parties[k].key, parties[j].key)).Mod(den, q)
		}
		lambda := num.Mul(num, den.ModInverse(den, q))
		term := parties[j].bigX.ScalarMult(lambda.Mod(lambda, q))
		if sum == nil {
			sum = term
			continue
		}
		var err error
		if sum, err = sum.Add(term); err != nil {
			return nil, err
		}
	}
	return sum, nil
}
