package tss

import (
	"fmt"
	"io"
	"math/big"

	"github.com/meshmpc/mpcd/protocol"
)

const preParamsVersion = 1

// wirePreParams is the encoding of a set; see the package comment.
type wirePreParams struct {
	Version uint8  `cbor:"1,keyasint"`
	P       []byte `cbor:"2,keyasint"` // safe primes of N
	Q       []byte `cbor:"3,keyasint"`
	TildeP  []byte `cbor:"4,keyasint"` // Sophie Germain primes of Ñ
	TildeQ  []byte `cbor:"5,keyasint"`
	H1      []byte `cbor:"6,keyasint"`
	Alpha   []byte `cbor:"7,keyasint"`
}

// Encode returns the set as about 1 kB of secret bytes, for the keystore only.
func (p *PreParams) Encode() ([]byte, error) {
	return protocol.Marshal(wirePreParams{
		Version: preParamsVersion,
		P:       p.params.PaillierSK.P.Bytes(),
		Q:       p.params.PaillierSK.Q.Bytes(),
		TildeP:  p.params.P.Bytes(),
		TildeQ:  p.params.Q.Bytes(),
		H1:      p.params.H1i.Bytes(),
		Alpha:   p.params.Alpha.Bytes(),
	})
}

// DecodePreParams reads an encoded set. It checks the form; Validate checks the
// numbers.
func DecodePreParams(data []byte) (*PreParams, error) {
	var w wirePreParams
	if err := protocol.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPreParams, err)
	}
	if w.Version != preParamsVersion {
		return nil, fmt.Errorf("%w: version %d of the format, this node reads %d", ErrPreParams, w.Version, preParamsVersion)
	}
	var s []*safePrime
	for i, b := range [][]byte{w.P, w.Q, w.TildeP, w.TildeQ} {
		v, err := parseInt(b, modulusBits/16)
		if err != nil {
			return nil, fmt.Errorf("%w: prime %d: %w", ErrPreParams, i+1, err)
		}
		if i < 2 {
			s = append(s, &safePrime{q: new(big.Int).Rsh(v, 1), p: v})
		} else {
			p := new(big.Int).Lsh(v, 1)
			s = append(s, &safePrime{q: v, p: p.Add(p, bigOne)})
		}
		if s[i].p.BitLen() != safePrimeBits || s[i].p.Bit(0) == 0 {
			return nil, fmt.Errorf("%w: prime %d is not an odd number of %d bits", ErrPreParams, i+1, safePrimeBits)
		}
	}
	nTilde := new(big.Int).Mul(s[2].p, s[3].p)
	h1, err1 := parseInt(w.H1, modulusBits/8)
	alpha, err2 := parseInt(w.Alpha, modulusBits/8)
	if err1 != nil || err2 != nil || h1.Cmp(nTilde) >= 0 || alpha.Cmp(nTilde) >= 0 {
		return nil, fmt.Errorf("%w: h1 and alpha must lie between 0 and Ñ", ErrPreParams)
	}
	return derive(s, h1, alpha)
}

// Validate checks the set with the library's own check and beyond it: four
// different safe primes, |P-Q| ≥ 2^1020, moduli of 2048 bits, h1 and h2 non-trivial
// squares that are each other's powers. It takes about 20 ms.
func (p *PreParams) Validate() error {
	s := &p.params
	if !s.ValidateWithProof() {
		return fmt.Errorf("%w: the library finds the set incomplete", ErrPreParams)
	}
	if err := validatePrimes(s.PaillierSK.P, s.PaillierSK.Q, safeOf(s.P), safeOf(s.Q)); err != nil {
		return err
	}
	switch n := s.PaillierSK.N; {
	case n.BitLen() != modulusBits || s.NTildei.BitLen() != modulusBits:
		return fmt.Errorf("%w: a modulus does not have %d bits", ErrPreParams, modulusBits)
	case !farApart(s.PaillierSK.P, s.PaillierSK.Q):
		return fmt.Errorf("%w: the primes of N are too close", ErrPreParams)
	}
	return p.validateGenerators()
}

func validatePrimes(primes ...*big.Int) error {
	seen := map[string]bool{}
	for i, v := range primes {
		half := new(big.Int).Rsh(v, 1)
		// Rounds are for adversaries: these numbers are our own, sealed.
		if v.BitLen() != safePrimeBits || !v.ProbablyPrime(1) || !half.ProbablyPrime(1) {
			return fmt.Errorf("%w: number %d is not a safe prime of %d bits", ErrPreParams, i+1, safePrimeBits)
		}
		seen[string(v.Bytes())] = true
	}
	if len(seen) != len(primes) {
		return fmt.Errorf("%w: a prime is used twice", ErrPreParams)
	}
	return nil
}

func (p *PreParams) validateGenerators() error {
	s := &p.params
	top := new(big.Int).Sub(s.NTildei, bigOne)
	for _, h := range []*big.Int{s.H1i, s.H2i} {
		if h.Cmp(bigOne) <= 0 || h.Cmp(top) >= 0 ||
			big.Jacobi(h, safeOf(s.P)) != 1 || big.Jacobi(h, safeOf(s.Q)) != 1 {
			return fmt.Errorf("%w: h1 or h2 is not a square modulo Ñ", ErrPreParams)
		}
	}
	if s.H1i.Cmp(s.H2i) == 0 ||
		new(big.Int).Exp(s.H1i, s.Alpha, s.NTildei).Cmp(s.H2i) != 0 ||
		new(big.Int).Exp(s.H2i, s.Beta, s.NTildei).Cmp(s.H1i) != 0 {
		return fmt.Errorf("%w: h1 and h2 are not each other's powers", ErrPreParams)
	}
	return nil
}

// safeOf returns 2q + 1.
func safeOf(q *big.Int) *big.Int {
	p := new(big.Int).Lsh(q, 1)
	return p.Add(p, bigOne)
}

// Format hides the secret from every verb of package fmt.
func (p *PreParams) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "tss.PreParams(secret)") }

// parseInt reads a positive big-endian number without leading zeros, of at most
// size bytes.
func parseInt(b []byte, size int) (*big.Int, error) {
	if len(b) == 0 || len(b) > size || b[0] == 0 {
		return nil, fmt.Errorf("number of %d bytes is not canonical: 1 to %d without leading zeros", len(b), size)
	}
	return new(big.Int).SetBytes(b), nil
}
