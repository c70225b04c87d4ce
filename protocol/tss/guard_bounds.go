package tss

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/commitments"
)

// bigTwo and bigOne are never changed.
var bigTwo = big.NewInt(2)

// hashSize bounds a commitment, the random part of a decommitment, a scalar and a
// coordinate: 32 bytes.
const hashSize = 32

// span is a number of a message with its bounds, from ≤ v < below.
type span struct {
	name        string
	from, below *big.Int
}

// read takes the one encoding that the library gives a number: big-endian without
// leading zeros. So a field is never longer than its bound, and never costs more
// to verify than an honest one.
func (s span) read(b []byte) (*big.Int, error) {
	v, err := parseInt(b, (s.below.BitLen()+7)/8)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if v.Cmp(s.from) < 0 || v.Cmp(s.below) >= 0 {
		return nil, fmt.Errorf("%s is out of range", s.name)
	}
	return v, nil
}

// numbers reads a proof: exactly one part for each span.
func numbers(proof string, parts [][]byte, spans []span) ([]*big.Int, error) {
	if len(parts) != len(spans) {
		return nil, fmt.Errorf("%s has %d parts, not %d", proof, len(parts), len(spans))
	}
	values := make([]*big.Int, len(spans))
	for i, s := range spans {
		var err error
		if values[i], err = s.read(parts[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", proof, err)
		}
	}
	return values, nil
}

// coprime tells whether all values are coprime to m: their product is.
func coprime(m *big.Int, values ...*big.Int) bool {
	product := big.NewInt(1)
	for _, v := range values {
		product.Mod(product.Mul(product, v), m)
	}
	return product.GCD(nil, nil, product, m).Cmp(bigOne) == 0
}

// readCommitment reads a hash.
func readCommitment(b []byte) (*big.Int, error) {
	v, err := parseInt(b, hashSize)
	if err != nil {
		return nil, fmt.Errorf("commitment: %w", err)
	}
	return v, nil
}

// scalar reads 1 ≤ v < q.
func (s *suite) scalar(name string, b []byte) (*big.Int, error) {
	return span{name, bigOne, s.curve.Params().N}.read(b)
}

// affinePoint reads a point other than the identity, by its coordinates.
func (s *suite) affinePoint(name string, x, y []byte) (*crypto.ECPoint, error) {
	p := s.curve.Params().P
	values, err := numbers(name, [][]byte{x, y}, []span{{"x", bigOne, p}, {"y", bigOne, p}})
	if err != nil {
		return nil, err
	}
	// The identity has x = 0 on Ed25519 and no coordinates on secp256k1.
	point, err := crypto.NewECPoint(s.curve, values[0], values[1])
	if err != nil {
		return nil, fmt.Errorf("%s is not on the curve", name)
	}
	return point, nil
}

var errOpening = errors.New("decommitment does not open the commitment")

// open reads the opening of a commitment to so many points: a random number and
// the coordinates. The points generate the group of prime order.
func (s *suite) open(commitment *big.Int, parts [][]byte, points int) ([]*crypto.ECPoint, error) {
	if len(parts) != 1+2*points {
		return nil, fmt.Errorf("decommitment has %d parts, not %d", len(parts), 1+2*points)
	}
	values := make([]*big.Int, len(parts))
	for i, b := range parts {
		var err error
		if values[i], err = parseInt(b, hashSize); err != nil {
			return nil, fmt.Errorf("decommitment, part %d: %w", i, err)
		}
	}
	opening := commitments.HashCommitDecommit{C: commitment, D: values}
	if !opening.Verify() {
		return nil, errOpening
	}
	opened := make([]*crypto.ECPoint, points)
	for i := range opened {
		name := fmt.Sprintf("point %d of the decommitment", i+1)
		var err error
		if opened[i], err = s.affinePoint(name, parts[1+2*i], parts[2+2*i]); err != nil {
			return nil, err
		}
		if !s.primeOrder(values[1+2*i], values[2+2*i]) {
			return nil, fmt.Errorf("%s has a component of small order", name)
		}
	}
	return opened, nil
}

// schnorr reads a proof of knowledge: a point and scalars. Its equation is the
// library's to verify.
func (s *suite) schnorr(name string, x, y []byte, scalars ...[]byte) error {
	if _, err := s.affinePoint(name+" alpha", x, y); err != nil {
		return err
	}
	for _, b := range scalars {
		if _, err := s.scalar(name+" scalar", b); err != nil {
			return err
		}
	}
	return nil
}
