package tss

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto/dlnproof"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
)

// modulusSpan bounds N and Ñ: exactly 2048 bits.
func modulusSpan(name string) span {
	return span{name, new(big.Int).Lsh(bigOne, modulusBits-1), new(big.Int).Lsh(bigOne, modulusBits)}
}

// readModuli reads what a member brings to a key: a Paillier modulus N, and a
// ring-Pedersen modulus Ñ with h1 and h2. The library measures the moduli only.
func readModuli(m *keygen.KGRound1Message) (p party, err error) {
	if p.n, err = readModulus("PaillierN", m.GetPaillierN()); err != nil {
		return p, err
	}
	if p.nTilde, err = readModulus("NTilde", m.GetNTilde()); err != nil {
		return p, err
	}
	top := new(big.Int).Sub(p.nTilde, bigOne)
	if p.h1, err = (span{"h1", bigTwo, top}).read(m.GetH1()); err != nil {
		return p, err
	}
	if p.h2, err = (span{"h2", bigTwo, top}).read(m.GetH2()); err != nil {
		return p, err
	}
	switch {
	case !coprime(p.n, p.nTilde):
		return p, errors.New("the moduli N and Ñ have a common factor")
	case !coprime(p.nTilde, p.h1, p.h2):
		return p, errors.New("h1 or h2 is not coprime to Ñ")
	case p.h1.Cmp(p.h2) == 0:
		return p, errors.New("h1 and h2 are equal")
	}
	return p, nil
}

// readModulus reads an odd composite of 2048 bits. What else it must be, the
// proofs show. Every prime passes the test with no rounds beyond Baillie-PSW, so
// none slips through, and a false positive hurts only who made such a number.
func readModulus(name string, b []byte) (*big.Int, error) {
	n, err := modulusSpan(name).read(b)
	if err != nil {
		return nil, err
	}
	if n.Bit(0) == 0 || n.ProbablyPrime(0) {
		return nil, fmt.Errorf("%s is even or prime", name)
	}
	return n, nil
}

// checkLogProof guards a proof that one of h1 and h2 is a power of the other: 128
// commitments α_i and 128 answers T_i, each list behind its length. The library
// takes the lengths for what they say and slices by them.
func checkLogProof(name string, parts [][]byte, nTilde *big.Int) error {
	count := big.NewInt(dlnproof.Iterations)
	length := span{"a length", count, new(big.Int).Add(count, bigOne)}
	spans := make([]span, 0, 2*(1+dlnproof.Iterations))
	for _, list := range []string{"α", "T"} {
		spans = append(spans, length)
		for range dlnproof.Iterations {
			spans = append(spans, span{list, bigTwo, nTilde})
		}
	}
	_, err := numbers(name, parts, spans)
	return err
}
