package tss_test

import (
	"crypto/rand"
	"math/big"
	"sync"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/dlnproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/facproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"
)

// What bob has to prove besides, so that the library finds nothing wrong with his moduli.
// The tests know the factors of everybody's, so that they can play who does not need to.

// primes of one size, made once in a process.
var primes sync.Map // bits -> func() *big.Int

func prime(bits int) *big.Int {
	once, _ := primes.LoadOrStore(bits, sync.OnceValue(func() *big.Int {
		p, err := rand.Prime(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return p
	}))
	return once.(func() *big.Int)()
}

// ring is a ring-Pedersen modulus with a number and a multiple of its order: h2 is the
// inverse of h1, so that each is the other's power whatever else is known of the modulus.
type ring struct{ n, order, h1, h2 *big.Int }

func newRing(n, order *big.Int, h1 int64) *ring {
	h := new(big.Int).Mod(big.NewInt(h1), n)
	return &ring{n, order, h, new(big.Int).ModInverse(h, n)}
}

// prove proves that a power of one of h1 and h2 is the other.
func (r *ring) prove(from, to *big.Int) *dlnproof.Proof {
	return dlnproof.NewDLNProof(from, to, below(r.order), r.order, big.NewInt(1), r.n, rand.Reader)
}

// ringAccepted asks the library about one proof.
func ringAccepted(of func(testing.TB) *ring) library {
	return func(t *testing.T) outcome {
		r := of(t)
		proof := r.prove(r.h1, r.h2)
		return verdictOf(func() bool { return proof.Verify(r.h1, r.h2, r.n) })
	}
}

// put makes the ring bob's.
func (r *ring) put(tb testing.TB, m *kg1) {
	tb.Helper()
	m.NTilde, m.H1, m.H2 = r.n.Bytes(), r.h1.Bytes(), r.h2.Bytes()
	for _, proof := range []struct {
		from, to *big.Int
		field    *[][]byte
	}{{r.h1, r.h2, &m.Dlnproof_1}, {r.h2, r.h1, &m.Dlnproof_2}} {
		parts, err := r.prove(proof.from, proof.to).Serialize()
		if err != nil {
			tb.Fatal(err)
		}
		*proof.field = parts
	}
}

// The rings of the violations.
func primeRing(testing.TB) *ring {
	p := prime(2048)
	return newRing(p, below(p), 4)
}

func evenRing(testing.TB) *ring {
	p := prime(2047)
	return newRing(new(big.Int).Lsh(p, 1), below(p), 9)
}

func alicesRing(tb testing.TB) *ring {
	a := pre(tb, 0)
	return newRing(a.NTildei, product(a.P, a.Q), 9)
}

// factorRing has an h1 that is a prime of Ñ. Modulo the other prime h1 and h2 are each other's
// powers as ever, and modulo this one both are zero.
func factorRing(tb testing.TB) *ring {
	b := pre(tb, 1)
	order := product(big.NewInt(2), b.P, b.Q)
	h1 := safePrime(b.P)
	return &ring{b.NTildei, order, h1, new(big.Int).Exp(h1, below(order), b.NTildei)}
}

func swappedRing(tb testing.TB) *ring {
	r := factorRing(tb)
	r.h1, r.h2 = r.h2, r.h1
	return r
}

// paillierKey makes a Paillier key of two primes.
func paillierKey(p, q *big.Int) *paillier.PrivateKey {
	phi := product(below(p), below(q))
	return &paillier.PrivateKey{PublicKey: paillier.PublicKey{N: product(p, q)}, PhiN: phi, LambdaN: phi, P: p, Q: q}
}

// The Paillier keys of the violations: of the primes of bob's Ñ, of alice's, and of one
// prime of his N with one of his Ñ.
func ringKey(tb testing.TB) *paillier.PrivateKey {
	b := pre(tb, 1)
	return paillierKey(safePrime(b.P), safePrime(b.Q))
}

func alicesRingKey(tb testing.TB) *paillier.PrivateKey {
	a := pre(tb, 0)
	return paillierKey(safePrime(a.P), safePrime(a.Q))
}

func mixedKey(tb testing.TB) *paillier.PrivateKey {
	b := pre(tb, 1)
	return paillierKey(b.PaillierSK.P, safePrime(b.P))
}

// keyAccepted asks the library about all three proofs that a keygen has of a modulus.
func keyAccepted(key func(testing.TB) *paillier.PrivateKey) library {
	return func(t *testing.T) outcome {
		sk, a, session := key(t), pre(t, 0), []byte("s")
		mod, fac := proveKey(t, sk, session)
		k, public := big.NewInt(5), crypto.ScalarBaseMult(tsslib.S256(), big.NewInt(7))
		return verdictOf(func() bool {
			ok, err := sk.Proof(k, public).Verify(sk.N, k, public)
			return ok && err == nil && mod.Verify(session, sk.N) && fac.Verify(session, tsslib.S256(), sk.N, a.NTildei, a.H1i, a.H2i)
		})
	}
}

// proveKey makes the proofs of round 2, the second one for alice.
func proveKey(tb testing.TB, sk *paillier.PrivateKey, session []byte) (*modproof.ProofMod, *facproof.ProofFac) {
	tb.Helper()
	a := pre(tb, 0)
	mod, err := modproof.NewProof(session, sk.N, sk.P, sk.Q, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	fac, err := facproof.NewProof(session, tsslib.S256(), sk.N, a.NTildei, a.H1i, a.H2i, sk.P, sk.Q, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return mod, fac
}

// putKey makes the key bob's, in rounds 1 and 2 of the keygen with this context of his.
func putKey(tb testing.TB, sk *paillier.PrivateKey, context []byte, bob map[string]proto.Message) {
	tb.Helper()
	bob["KGRound1Message"].(*kg1).PaillierN = sk.N.Bytes()
	mod, fac := proveKey(tb, sk, context)
	modParts, facParts := mod.Bytes(), fac.Bytes()
	bob["KGRound2Message2"].(*keygen.KGRound2Message2).ModProof = modParts[:]
	bob["KGRound2Message1"].(*keygen.KGRound2Message1).FacProof = facParts[:]
}
