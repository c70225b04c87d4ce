package tss

import (
	"errors"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
)

// modulusProofParts: W, 80 of X, A, B, 80 of Z.
const modulusProofParts = modproof.ProofModBytesParts

var errJacobi = errors.New("the Jacobi symbol of W in ModProof is not -1")

// checkModulusProof guards the proof that N is the product of two primes (CGGMP,
// eprint 2021/060, figure 16). Its W must have the Jacobi symbol -1. The library
// refuses only 1, and a W with the symbol 0, which shares factors with N, proves
// anything: X and Z vanish modulo those factors. That is how a modulus with small
// factors, which gives the shares of its peers away, passed (CVE-2023-33241).
func checkModulusProof(parts [][]byte, n *big.Int) error {
	bits := span{"A or B", new(big.Int).Lsh(bigOne, modproof.Iterations), new(big.Int).Lsh(bigOne, modproof.Iterations+1)}
	spans := make([]span, modulusProofParts)
	for i := range spans {
		spans[i] = span{"X or Z", bigOne, n}
	}
	spans[0].name = "W"
	spans[modproof.Iterations+1], spans[modproof.Iterations+2] = bits, bits
	v, err := numbers("ModProof", parts, spans)
	if err != nil {
		return err
	}
	roots := append(v[1:modproof.Iterations+1:modproof.Iterations+1], v[modproof.Iterations+3:]...)
	switch {
	case big.Jacobi(v[0], n) != -1: // n is odd since round 1
		return errJacobi
	case !coprime(n, roots...):
		return errors.New("a root, X or Z, in ModProof is not coprime to N")
	}
	return nil
}

// factors guards the proof for the receiver that neither factor of the sender's N
// is small (CGGMP, figure 28).
func (r *ranges) factors(parts [][]byte, sender, receiver *party) error {
	n, nTilde := sender.n, receiver.nTilde
	both := new(big.Int).Mul(n, nTilde)
	root := new(big.Int).Sqrt(n)
	root.Mul(root, new(big.Int).Sub(r.q3, bigOne))
	hiding := new(big.Int).Mul(r.mask, nTilde)
	v, err := numbers("FacProof", parts, []span{
		{"P", bigOne, nTilde},
		{"Q", bigOne, nTilde},
		{"A", bigOne, nTilde},
		{"B", bigOne, nTilde},
		{"T", bigOne, nTilde},
		{"Sigma", bigOne, new(big.Int).Mul(r.q, both)},
		{"Z1", bigOne, root},
		{"Z2", bigOne, root},
		{"W1", bigOne, hiding},
		{"W2", bigOne, hiding},
		{"V", bigOne, new(big.Int).Mul(r.mask, both)},
	})
	if err != nil {
		return err
	}
	if !coprime(nTilde, v[:5]...) {
		return errors.New("a commitment, P, Q, A, B or T, in FacProof is not coprime to Ñ")
	}
	return nil
}
