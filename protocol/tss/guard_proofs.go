package tss

import (
	"errors"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
)

// ranges holds the bounds of the zero-knowledge proofs about Paillier ciphertexts
// (GG18, eprint 2019/114, appendix A; CGGMP, eprint 2021/060, figure 28). The
// library compares with some of them only. Notation: q is the order of the curve;
// N the modulus under which something is encrypted; Ñ, h1, h2 the verifier's.
type ranges struct {
	q      *big.Int
	q3, q7 *big.Int // one above q³ and q⁷: those are allowed
	mask   *big.Int // q³+q²: what a number times Ñ that hides a secret stays below
}

func newRanges(q *big.Int) *ranges {
	power := func(n int64) *big.Int { return new(big.Int).Exp(q, big.NewInt(n), nil) }
	mask := power(3)
	return &ranges{
		q:    q,
		q3:   new(big.Int).Add(power(3), bigOne),
		q7:   new(big.Int).Add(power(7), bigOne),
		mask: mask.Add(mask, power(2)),
	}
}

var errTrivial = errors.New("RangeProofAlice is trivial")

// alice guards the ciphertext C of k_s under the sender's N, with the proof for
// the receiver that k_s is small. C and U without an inverse modulo N² make the
// library panic; the trivial values are those with which a proof for another
// plaintext can be made up.
func (r *ranges) alice(m *signing.SignRound1Message1, sender, receiver *party) error {
	n, nTilde := sender.n, receiver.nTilde
	square := new(big.Int).Mul(n, n)
	c, err := span{"C", bigOne, square}.read(m.GetC())
	if err != nil {
		return err
	}
	v, err := numbers("RangeProofAlice", m.GetRangeProofAlice(), []span{
		{"Z", bigTwo, nTilde},
		{"U", bigOne, square},
		{"W", bigOne, nTilde},
		{"S", bigTwo, n},
		{"S1", r.q, r.q3},
		{"S2", r.q, new(big.Int).Mul(r.mask, nTilde)},
	})
	if err != nil {
		return err
	}
	z, u, w, s, s1, s2 := v[0], v[1], v[2], v[3], v[4], v[5]
	switch {
	case !coprime(n, c, u, s):
		return errors.New("the ciphertext, U or S is not coprime to N")
	case !coprime(nTilde, z, w):
		return errors.New("a commitment, Z or W, is not coprime to Ñ")
	case s1.Cmp(s2) == 0:
		return errTrivial
	}
	return nil
}

// bob guards a ciphertext that answers the receiver's, with the proof that its
// factor and its summand are small; it returns the numbers of the proof. The
// proof may have further parts.
func (r *ranges) bob(name string, ciphertext []byte, parts [][]byte, receiver *party) ([]*big.Int, error) {
	n, nTilde := receiver.n, receiver.nTilde
	square := new(big.Int).Mul(n, n)
	c, err := span{"ciphertext of " + name, bigOne, square}.read(ciphertext)
	if err != nil {
		return nil, err
	}
	hiding := new(big.Int).Mul(r.mask, nTilde)
	v, err := numbers(name, parts, []span{
		{"Z", bigOne, nTilde},
		{"ZPrm", bigOne, nTilde},
		{"T", bigOne, nTilde},
		{"V", bigOne, square},
		{"W", bigOne, nTilde},
		{"S", bigOne, n},
		{"S1", r.q, r.q3},
		{"S2", r.q, hiding},
		{"T1", r.q, r.q7},
		{"T2", r.q, hiding},
	})
	if err != nil {
		return nil, err
	}
	if !coprime(n, c, v[3], v[5]) || !coprime(nTilde, v[0], v[1], v[2], v[4]) {
		return nil, errors.New(name + " has a number that is not coprime to its modulus")
	}
	return v, nil
}

const bobParts = 10 // of a ProofBob; a ProofBobWC has the coordinates of U besides

// bobWithCheck guards the second answer, whose proof ties the factor to the
// sender's public share. The library panics where S1 is a multiple of q.
func (r *ranges) bobWithCheck(s *suite, ciphertext []byte, parts [][]byte, receiver *party) error {
	const name = "ProofBobWC"
	if len(parts) != bobParts+2 {
		return errors.New(name + " does not have 12 parts")
	}
	v, err := r.bob(name, ciphertext, parts[:bobParts], receiver)
	if err != nil {
		return err
	}
	if s1 := v[6]; new(big.Int).Mod(s1, r.q).Sign() == 0 {
		return errors.New("S1 of " + name + " is a multiple of the order")
	}
	_, err = s.affinePoint("U of "+name, parts[bobParts], parts[bobParts+1])
	return err
}
