package tss_test

import (
	"crypto/rand"
	"errors"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/facproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// smoothModulus is a Paillier modulus of 2048 bits that has one prime of 1024 bits
// and 32 of 32 bits: who made it decrypts modulo the small ones whatever its peers
// reveal of their shares (CVE-2023-33241).
type smoothModulus struct {
	n, phi *big.Int
	p      *big.Int // the big prime, 3 mod 4
	small  *big.Int // product of the others
}

func newSmoothModulus(t *testing.T) *smoothModulus {
	t.Helper()
	random := mathrand.New(mathrand.NewPCG(randomSeed(t), 0)) // #nosec G404 -- a test that repeats
	p := tss.LibraryPreParams(protocoltest.PreParams(t, 3)[1]).PaillierSK.P
	for {
		m := &smoothModulus{p: p, small: big.NewInt(1), phi: below(p)}
		for range 32 {
			r := new(big.Int).SetUint64(1<<32 - 1 - 2*random.Uint64N(1<<23))
			for !r.ProbablyPrime(10) {
				r.Sub(r, big.NewInt(2))
			}
			m.small.Mul(m.small, r)
			m.phi.Mul(m.phi, below(r))
		}
		m.n = product(m.p, m.small)
		if m.n.BitLen() == 2048 && new(big.Int).GCD(nil, nil, m.n, m.phi).Cmp(big.NewInt(1)) == 0 {
			return m
		}
	}
}

// crt returns the number that is v modulo the big prime and 0 modulo the others.
func (m *smoothModulus) crt(v *big.Int) *big.Int {
	c := new(big.Int).ModInverse(m.small, m.p)
	c.Mul(c, v).Mod(c, m.p)
	return c.Mul(c, m.small)
}

// forge proves that N is the product of two primes. Its W is 0 modulo the small
// primes and no square modulo the big one, so its Jacobi symbol is 0. So is ±W·Y for
// every challenge Y, where only the big prime needs a fourth root.
func (m *smoothModulus) forge(session []byte) [][]byte {
	proof := &modproof.ProofMod{
		W: m.crt(below(m.p)),
		A: new(big.Int).Lsh(big.NewInt(1), modproof.Iterations),
		B: below(new(big.Int).Lsh(big.NewInt(1), modproof.Iterations+1)),
	}
	inverse := new(big.Int).ModInverse(m.n, m.phi)
	quarter := new(big.Int).Rsh(new(big.Int).Add(m.p, big.NewInt(1)), 2)
	inputs := []*big.Int{proof.W, m.n}
	for i := range modproof.Iterations {
		y := common.RejectionSample(m.n, common.SHA512_256i_TAGGED(session, inputs...))
		inputs = append(inputs, y)
		proof.Z[i] = new(big.Int).Exp(y, inverse, m.n)
		v := new(big.Int).Mul(y, proof.W)
		if v.Mod(v, m.p); big.Jacobi(v, m.p) != 1 {
			v.Sub(m.p, v)
			proof.A.SetBit(proof.A, i, 1)
		}
		root := v.Exp(v.Exp(v, quarter, m.p), quarter, m.p)
		proof.X[i] = m.crt(root)
	}
	parts := proof.Bytes()
	return parts[:]
}

// key returns a Paillier key of the modulus.
func (m *smoothModulus) key() *paillier.PrivateKey {
	return &paillier.PrivateKey{
		PublicKey: paillier.PublicKey{N: m.n}, PhiN: m.phi, LambdaN: m.phi, P: m.p, Q: m.small,
	}
}

// All three proofs of the library accept the modulus; the guard does not.
func TestBitForge(t *testing.T) {
	m := newSmoothModulus(t)
	session := []byte("session")
	forged := m.forge(session)
	proof, err := modproof.NewProofFromBytes(forged)
	if err != nil || !proof.Verify(session, m.n) {
		t.Errorf("the library refuses the modulus proof: %v", err)
	}
	alice := tss.LibraryPreParams(protocoltest.PreParams(t, 3)[0])
	fac, err := facproof.NewProof(session, tsslib.S256(), m.n, alice.NTildei, alice.H1i, alice.H2i, m.p, m.small, rand.Reader)
	if err != nil || !fac.Verify(session, tsslib.S256(), m.n, alice.NTildei, alice.H1i, alice.H2i) {
		t.Errorf("the library refuses the factor proof: %v", err)
	}
	public := crypto.ScalarBaseMult(tsslib.S256(), big.NewInt(7))
	if ok, err := m.key().Proof(big.NewInt(5), public).Verify(m.n, big.NewInt(5), public); !ok || err != nil {
		t.Errorf("the library refuses the Paillier proof: %v", err)
	}

	parts := fac.Bytes()
	_, err = ecdsaKeygenScene(t).guarded(&violation{change: func(_ *scene, content proto.Message) {
		switch c := content.(type) {
		case *keygen.KGRound1Message:
			c.PaillierN = m.n.Bytes()
		case *keygen.KGRound2Message1:
			c.FacProof = parts[:]
		case *keygen.KGRound2Message2:
			c.ModProof = forged
		}
	}})
	if !errors.Is(err, tss.ErrJacobi) || !slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"}) {
		t.Errorf("the guard: %v", err)
	}
}
