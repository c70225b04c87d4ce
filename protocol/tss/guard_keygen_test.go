package tss_test

import (
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/dlnproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/facproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/vss"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// library is what the function of the library that reads a value does with it. A
// whole ECDSA keygen for each would take minutes. The keygen calls these
// functions on goroutines of its own, so that panics end the process.
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

// primeModulus shows a ring-Pedersen modulus that is a prime to the library.
func primeModulus(*testing.T) outcome {
	p := prime2048()
	h1, x := big.NewInt(4), big.NewInt(12345)
	h2 := new(big.Int).Exp(h1, x, p)
	proof := dlnproof.NewDLNProof(h1, h2, x, below(p), big.NewInt(1), p, rand.Reader)
	return verdictOf(func() bool { return proof.Verify(h1, h2, p) })
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

// evenRing shows an even ring-Pedersen modulus to the library.
func evenRing(t *testing.T) outcome {
	p := prime2048()
	n, order := new(big.Int).Lsh(p, 1), below(p)
	h1, x := big.NewInt(9), big.NewInt(12345)
	h2 := new(big.Int).Exp(h1, x, n)
	proof := dlnproof.NewDLNProof(h1, h2, x, order, big.NewInt(1), n, rand.Reader)
	return verdictOf(func() bool { return proof.Verify(h1, h2, n) })
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

// unseen: the library does not compare the value with anything. TestLibraryKeygen
// shows it in a whole keygen, with N = Ñ.
func unseen(*testing.T) outcome { return accepted }

// found: the library finds it itself, rounds later.
func found(*testing.T) outcome { return named }

var negative = []byte{0xff, 0, 0, 0, 0, 0, 0, 0} // as an int64

var prime2048 = sync.OnceValue(func() *big.Int {
	p, err := rand.Prime(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return p
})

type kg1 = keygen.KGRound1Message

var ecdsaKeygenViolations = []struct {
	name   string
	alone  outcome
	show   library
	change func(s *scene, m proto.Message)
}{
	{"N is even", crashed, evenModulus, altered(func(_ *scene, m *kg1) { m.PaillierN[255] &= 0xfe })},
	{"N is prime", named, found, altered(func(_ *scene, m *kg1) { m.PaillierN = prime2048().Bytes() })},
	{"N is short", named, found, altered(func(_ *scene, m *kg1) { m.PaillierN = m.PaillierN[1:] })},
	{"N is Ñ", accepted, unseen, altered(func(_ *scene, m *kg1) { m.PaillierN = m.NTilde })},
	{"Ñ is prime", accepted, primeModulus, altered(func(_ *scene, m *kg1) { m.NTilde = prime2048().Bytes() })},
	{"Ñ is even", accepted, evenRing, altered(func(_ *scene, m *kg1) { m.NTilde[255] &= 0xfe })},
	{"Ñ is short", named, found, altered(func(_ *scene, m *kg1) { m.NTilde = m.NTilde[1:] })},
	{"N is long", named, found, altered(func(_ *scene, m *kg1) { m.PaillierN = append([]byte{1}, m.PaillierN...) })},
	{"Ñ is long", named, found, altered(func(_ *scene, m *kg1) { m.NTilde = append([]byte{1}, m.NTilde...) })},
	{"h1 is h2", named, found, altered(func(_ *scene, m *kg1) { m.H2 = m.H1 })},
	{"h2 is alice's h1", named, found, altered(func(s *scene, m *kg1) { m.H2 = s.alice["KGRound1Message"].(*kg1).H1 })},
	{"h2 is a factor of Ñ", named, found, altered(func(s *scene, m *kg1) {
		m.H2 = safePrime(pre(s.tb, 1).P).Bytes()
	})},
	{"Ñ is alice's", accepted, unseen, altered(func(s *scene, m *kg1) { m.NTilde = s.alice["KGRound1Message"].(*kg1).NTilde })},
	{"N is alice's Ñ", accepted, unseen, altered(func(s *scene, m *kg1) { m.PaillierN = s.alice["KGRound1Message"].(*kg1).NTilde })},
	{"N shares a prime with Ñ", accepted, unseen, altered(func(s *scene, m *kg1) {
		b := tss.LibraryPreParams(protocoltest.PreParams(s.tb, 3)[1])
		safe := new(big.Int).Add(new(big.Int).Lsh(b.P, 1), big.NewInt(1))
		m.PaillierN = product(b.PaillierSK.P, safe).Bytes()
	})},
	{"h1 is alice's", named, found, altered(func(s *scene, m *kg1) { m.H1 = s.alice["KGRound1Message"].(*kg1).H1 })},
	{"h1 is a factor of Ñ", named, logProof(func(b keygen.LocalPreParams, _ [][]byte) { b.H1i.Set(b.P) }), altered(func(s *scene, m *kg1) {
		b := tss.LibraryPreParams(protocoltest.PreParams(s.tb, 3)[1])
		m.H1 = new(big.Int).Add(new(big.Int).Lsh(b.P, 1), big.NewInt(1)).Bytes()
	})},
	{"Dlnproof with a negative length", crashed, logProof(func(_ keygen.LocalPreParams, parts [][]byte) {
		parts[0] = negative
	}), altered(func(_ *scene, m *kg1) { m.Dlnproof_1[0] = negative })},
	{"Dlnproof with a negative second length", crashed, logProof(func(_ keygen.LocalPreParams, parts [][]byte) {
		parts[129] = negative
	}), altered(func(_ *scene, m *kg1) { m.Dlnproof_2[129] = negative })},
	{"Dlnproof with a length beyond its end", named, logProof(func(_ keygen.LocalPreParams, parts [][]byte) {
		parts[0] = []byte{2, 0}
	}), altered(func(_ *scene, m *kg1) { m.Dlnproof_1[0] = []byte{2, 0} })},
	{"Dlnproof with a long answer", accepted, logProof(func(b keygen.LocalPreParams, parts [][]byte) {
		parts[257] = add(parts[257], product(b.P, b.Q, big.NewInt(16)))
	}), altered(func(s *scene, m *kg1) {
		order, _, _ := s.moduli("bob")
		m.Dlnproof_2[257] = add(m.Dlnproof_2[257], product(order, big.NewInt(16)))
	})},
	{"commitment too long", named, found, altered(func(_ *scene, m *kg1) { m.Commitment = slices.Repeat([]byte{1}, 33) })},
	{"share of zero", crashed, dealing(func(s *vss.Share, _ *vss.Vs) { s.Share.SetInt64(0) }),
		altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = zero })},
	{"share is the order", crashed, dealing(func(s *vss.Share, _ *vss.Vs) { s.Share.Set(secpOrder) }),
		altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = secpOrder.Bytes() })},
	{"share above the order", accepted, dealing(func(s *vss.Share, _ *vss.Vs) { s.Share.Add(s.Share, secpOrder) }),
		altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = add(m.Share, secpOrder) })},
	{"share of another", named, dealing(func(s *vss.Share, _ *vss.Vs) { s.Share.Add(s.Share, big.NewInt(1)) }),
		altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = plusOne(m.Share) })},
	{"one coefficient too few", crashed, dealing(func(_ *vss.Share, vs *vss.Vs) { *vs = (*vs)[:1] }), deal(func(parts [][]byte) [][]byte { return parts[:3] })},
	{"one coefficient too many", accepted, dealing(func(_ *vss.Share, vs *vss.Vs) { *vs = append(*vs, (*vs)[0]) }), deal(func(parts [][]byte) [][]byte {
		return append(parts, parts[1], parts[2])
	})},
	{"coefficient off the curve", named, found, deal(func(parts [][]byte) [][]byte { return append(parts[:3:3], []byte{1}, []byte{2}) })},
	{"decommitment of another", named, found, altered(func(_ *scene, m *keygen.KGRound2Message2) { m.DeCommitment[0] = []byte{1} })},
	{"FacProof with a long W1", accepted, facProof(8, aliceOrders), fac(8)},
	{"FacProof with a long W2", accepted, facProof(9, aliceOrders), fac(9)},
	{"FacProof with a long V", accepted, facProof(10, aliceOrders), fac(10)},
	{"FacProof with a part of zero", named, facProof(0, func(*testing.T, []byte) []byte { return zero }),
		altered(func(_ *scene, m *keygen.KGRound2Message1) { m.FacProof[0] = zero })},
	{"no FacProof", named, facProof(0, func(*testing.T, []byte) []byte { return nil }),
		altered(func(_ *scene, m *keygen.KGRound2Message1) { m.FacProof = nil })},
	{"FacProof with a factor of Ñ", named, facProof(1, func(t *testing.T, _ []byte) []byte { return safePrime(pre(t, 0).P).Bytes() }),
		altered(func(s *scene, m *keygen.KGRound2Message1) { m.FacProof[1] = aliceFactor(s, nil) })},
	{"W of ModProof with the symbol 1", named, modProof(0, []byte{1}),
		altered(func(_ *scene, m *keygen.KGRound2Message2) { m.ModProof[0] = []byte{1} })},
	{"X of ModProof with a factor of N", named, modProof(1, nil), altered(func(s *scene, m *keygen.KGRound2Message2) {
		m.ModProof[1] = pre(s.tb, 1).PaillierSK.P.Bytes()
	})},
	{"Z of ModProof with a factor of N", named, modProof(162, nil), altered(func(s *scene, m *keygen.KGRound2Message2) {
		m.ModProof[162] = pre(s.tb, 1).PaillierSK.P.Bytes()
	})},
	{"no ModProof", named, func(*testing.T) outcome {
		return verdictOf(func() bool { _, err := modproof.NewProofFromBytes(nil); return err == nil })
	}, altered(func(_ *scene, m *keygen.KGRound2Message2) { m.ModProof = nil })},
	{"Paillier proof above N", accepted, longPaillierProof, altered(func(s *scene, m *keygen.KGRound3Message) {
		_, n, _ := s.moduli("bob")
		m.PaillierProof[0] = add(m.PaillierProof[0], n)
	})},
}

// deal lets bob commit to another polynomial of the same form.
func deal(f func(parts [][]byte) [][]byte) func(*scene, proto.Message) {
	return altered(func(s *scene, m *kg1) {
		m2 := s.bob["KGRound2Message2"].(*keygen.KGRound2Message2)
		m2.DeCommitment = f(m2.DeCommitment)
		m.Commitment = commitTo(m2.DeCommitment)
	})
}

func fac(part int) func(*scene, proto.Message) {
	return altered(func(s *scene, m *keygen.KGRound2Message1) {
		m.FacProof[part] = add(m.FacProof[part], s.manyOrders(1000))
	})
}

func TestECDSAKeygenViolations(t *testing.T) {
	s := ecdsaKeygenScene(t)
	for _, v := range ecdsaKeygenViolations {
		t.Run(v.name, func(t *testing.T) {
			if got := v.show(t); got != v.alone {
				t.Errorf("the library: not %s, but %s", v.alone, got)
			}
			_, err := s.guarded(&violation{change: v.change})
			if !errors.Is(err, tss.ErrMessage) || !slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"}) {
				t.Errorf("the guard: %v", err)
			}
			t.Logf("alone: %s; guarded: %v", v.alone, err)
		})
	}
	if result, err := s.guarded(&violation{change: func(*scene, proto.Message) {}}); result == nil {
		t.Errorf("an honest run: %v", err)
	}
}

// Who copies carol's numbers may be heard before her, so alice cannot tell who did
// it, but carol can. A common prime is known to both.
func TestMembersAlike(t *testing.T) {
	s := ecdsaKeygenScene(t)
	_, carolN, _ := s.moduli("carol")
	sk := pre(t, 2).PaillierSK
	other, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		n        *big.Int
		culprits []protocol.PeerID
	}{
		{"copied", carolN, nil},
		{"common prime", product(sk.P, other), []protocol.PeerID{"bob", "carol"}},
	}
	for _, test := range tests {
		if test.n.BitLen() != 2048 {
			test.n = product(sk.Q, other) // one of them is long enough
		}
		_, err := s.guarded(&violation{change: altered(func(_ *scene, m *kg1) { m.PaillierN = test.n.Bytes() })})
		culprits := protocol.Culprits(err)
		slices.Sort(culprits)
		if !errors.Is(err, tss.ErrMessage) || !slices.Equal(culprits, test.culprits) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
