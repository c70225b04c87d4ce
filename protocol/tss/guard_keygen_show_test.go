package tss_test

import (
	"crypto/rand"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/commitments"
	"github.com/bnb-chain/tss-lib/v2/crypto/dlnproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/facproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/vss"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// library is what those functions of the library that read a value do with it. The keygen
// calls them on goroutines of its own, where a panic ends the process. A whole keygen for
// each value takes minutes: TestLibraryAlone, in the long tests.
type library func(t *testing.T) outcome

// verdictOf calls f, which tells whether the library is content.
func verdictOf(f func() bool) (o outcome) {
	defer func() {
		if recover() != nil {
			o = crashed
		}
	}()
	if f() {
		return accepted
	}
	return named
}

// pre returns the library's form of alice's (0), bob's or carol's pre-parameters.
func pre(t testing.TB, i int) keygen.LocalPreParams {
	t.Helper()
	return tss.LibraryPreParams(protocoltest.PreParams(t, 3)[i])
}

// facProof makes a proof of bob for alice, changes a part, and verifies it.
func facProof(part int, change func(*testing.T, []byte) []byte) library {
	return func(t *testing.T) outcome {
		session, a, b := []byte("s"), pre(t, 0), pre(t, 1)
		n, sk := b.PaillierSK.N, b.PaillierSK
		p, err := facproof.NewProof(session, tsslib.S256(), n, a.NTildei, a.H1i, a.H2i, sk.P, sk.Q, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		parts := p.Bytes()
		parts[part] = change(t, parts[part])
		return verdictOf(func() bool {
			p, err := facproof.NewProofFromBytes(parts[:])
			return err == nil && p.Verify(session, tsslib.S256(), n, a.NTildei, a.H1i, a.H2i)
		})
	}
}

// aliceOrders returns b plus a multiple of the order of alice's h2, of 1 kB.
func aliceOrders(t *testing.T, b []byte) []byte {
	return add(b, ecdsaKeygenScene(t).manyOrders(1000))
}

// logProof makes a proof of bob, changes its parts, reads and verifies it.
func logProof(change func(pre keygen.LocalPreParams, parts [][]byte)) library {
	return func(t *testing.T) outcome {
		b := pre(t, 1)
		p := dlnproof.NewDLNProof(b.H1i, b.H2i, b.Alpha, b.P, b.Q, b.NTildei, rand.Reader)
		parts, err := p.Serialize()
		if err != nil {
			t.Fatal(err)
		}
		change(b, parts)
		return verdictOf(func() bool {
			p, err := dlnproof.UnmarshalDLNProof(parts)
			return err == nil && p.Verify(b.H1i, b.H2i, b.NTildei)
		})
	}
}

// dealing verifies bob's share for alice with the library, after a change.
func dealing(change func(share *vss.Share, vs *vss.Vs)) library {
	return func(t *testing.T) outcome {
		ids := []*big.Int{big.NewInt(1), big.NewInt(2), big.NewInt(3)}
		vs, shares, err := vss.Create(tsslib.S256(), 1, big.NewInt(42), ids, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		change(shares[0], &vs)
		return verdictOf(func() bool { return shares[0].Verify(tsslib.S256(), 1, vs) })
	}
}

// bobModProof is a proof about bob's N, made once in a process, and his N.
func bobModProof(t *testing.T) (parts [][]byte, n *big.Int) {
	t.Helper()
	sk := pre(t, 1).PaillierSK
	modProofOnce.Do(func() {
		proof, err := modproof.NewProof(nil, sk.N, sk.P, sk.Q, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		b := proof.Bytes()
		modProofParts = b[:]
	})
	return slices.Clone(modProofParts), sk.N
}

var (
	modProofOnce  sync.Once
	modProofParts [][]byte
)

// verifyModProof reads and verifies a proof with the library.
func verifyModProof(parts [][]byte, n *big.Int) outcome {
	return verdictOf(func() bool {
		p, err := modproof.NewProofFromBytes(parts)
		return err == nil && p.Verify(nil, n)
	})
}

// evenModulus shows an even Paillier modulus to the library.
func evenModulus(t *testing.T) outcome {
	parts, n := bobModProof(t)
	return verifyModProof(parts, below(n))
}

// modProof changes a part of a proof, to a factor of N if nothing else is said.
func modProof(part int, value []byte) library {
	return func(t *testing.T) outcome {
		parts, n := bobModProof(t)
		if parts[part] = pre(t, 1).PaillierSK.P.Bytes(); value != nil {
			parts[part] = value
		}
		return verifyModProof(parts, n)
	}
}

// longPaillierProof shows numbers above N to the library.
func longPaillierProof(t *testing.T) outcome {
	sk := pre(t, 1).PaillierSK
	public, k := crypto.ScalarBaseMult(tsslib.S256(), big.NewInt(7)), big.NewInt(5)
	proof := sk.Proof(k, public)
	proof[0] = proof[0].Add(proof[0], sk.N)
	return verdictOf(func() bool {
		ok, err := proof.Verify(sk.N, k, public)
		return ok && err == nil
	})
}

var negative = []byte{0xff, 0, 0, 0, 0, 0, 0, 0} // as an int64

// readCommitted opens a commitment to these parts, and reads the points, with the library.
func readCommitted(commitment []byte, parts [][]byte) library {
	return func(*testing.T) outcome {
		return verdictOf(func() bool {
			values := make([]*big.Int, len(parts))
			for i, b := range parts {
				values[i] = new(big.Int).SetBytes(b)
			}
			opening := commitments.HashCommitDecommit{C: new(big.Int).SetBytes(commitment), D: values}
			ok, flat := opening.DeCommit()
			if !ok || flat == nil {
				return false
			}
			_, err := crypto.UnFlattenECPoints(tsslib.S256(), flat)
			return err == nil
		})
	}
}

// points are the parts of an opening: a random number, and multiples of G.
func points(count int64) [][]byte {
	parts := [][]byte{{9}}
	for k := range count {
		p := crypto.ScalarBaseMult(tsslib.S256(), big.NewInt(k+1))
		parts = append(parts, p.X().Bytes(), p.Y().Bytes())
	}
	return parts
}

// offSecp is an opening whose second point is not on the curve.
var offSecp = append(points(1), []byte{1}, []byte{2})

// primeModProof shows a Paillier modulus that is a prime to the library.
func primeModProof(t *testing.T) outcome {
	parts, _ := bobModProof(t)
	return verifyModProof(parts, prime(2048))
}
