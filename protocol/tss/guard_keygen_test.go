package tss_test

import (
	"crypto/rand"
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/crypto/vss"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

type kg1 = keygen.KGRound1Message

// keygenViolation is a violation with what shows in milliseconds what the library does with
// it, where there are functions of the library that read the value by themselves. The rest
// is in its party: TestLibraryAlone plays all of them there, in the long tests.
type keygenViolation struct {
	name   string
	alone  outcome
	show   library // nil: only the party
	change func(s *scene, m proto.Message)

	// What bob proves besides, so that his party has nothing against his moduli but the
	// violation; nil where he need not.
	ring func(testing.TB) *ring
	key  func(testing.TB) *paillier.PrivateKey
}

var ecdsaKeygenViolations = []keygenViolation{
	{name: "N is even", alone: crashed, show: evenModulus, change: altered(func(_ *scene, m *kg1) { m.PaillierN[255] &= 0xfe })},
	{name: "N is prime", alone: named, show: primeModProof, change: altered(func(_ *scene, m *kg1) { m.PaillierN = prime(2048).Bytes() })},
	{name: "N is short", alone: named, change: altered(func(_ *scene, m *kg1) { m.PaillierN = m.PaillierN[1:] })},
	{name: "N is long", alone: named, change: altered(func(_ *scene, m *kg1) { m.PaillierN = append([]byte{1}, m.PaillierN...) })},
	{name: "N is Ñ", alone: accepted, show: keyAccepted(ringKey), key: ringKey, change: altered(func(_ *scene, m *kg1) {
		m.PaillierN = m.NTilde
	})},
	{name: "N is alice's Ñ", alone: accepted, show: keyAccepted(alicesRingKey), key: alicesRingKey, change: altered(func(s *scene, m *kg1) {
		m.PaillierN = s.alice["KGRound1Message"].(*kg1).NTilde
	})},
	{name: "N shares a prime with Ñ", alone: accepted, show: keyAccepted(mixedKey), key: mixedKey, change: altered(func(s *scene, m *kg1) {
		m.PaillierN = mixedKey(s.tb).N.Bytes()
	})},
	{name: "Ñ is prime", alone: accepted, show: ringAccepted(primeRing), ring: primeRing, change: altered(func(_ *scene, m *kg1) {
		m.NTilde = prime(2048).Bytes()
	})},
	{name: "Ñ is even", alone: accepted, show: ringAccepted(evenRing), ring: evenRing, change: altered(func(_ *scene, m *kg1) { m.NTilde[255] &= 0xfe })},
	{name: "Ñ is short", alone: named, change: altered(func(_ *scene, m *kg1) { m.NTilde = m.NTilde[1:] })},
	{name: "Ñ is long", alone: named, change: altered(func(_ *scene, m *kg1) { m.NTilde = append([]byte{1}, m.NTilde...) })},
	{name: "Ñ is alice's", alone: accepted, show: ringAccepted(alicesRing), ring: alicesRing, change: altered(func(s *scene, m *kg1) {
		m.NTilde = s.alice["KGRound1Message"].(*kg1).NTilde
	})},
	{name: "h1 is h2", alone: named, change: altered(func(_ *scene, m *kg1) { m.H2 = m.H1 })},
	// Of two alike the library names who comes later in the order of the keys: here alice herself.
	{name: "h1 is alice's", alone: unattributed, change: altered(func(s *scene, m *kg1) { m.H1 = s.alice["KGRound1Message"].(*kg1).H1 })},
	{name: "h2 is alice's h1", alone: unattributed, change: altered(func(s *scene, m *kg1) { m.H2 = s.alice["KGRound1Message"].(*kg1).H1 })},
	{name: "h1 is a factor of Ñ", alone: accepted, show: ringAccepted(factorRing), ring: factorRing, change: altered(func(s *scene, m *kg1) {
		m.H1 = safePrime(pre(s.tb, 1).P).Bytes()
	})},
	{name: "h2 is a factor of Ñ", alone: accepted, show: ringAccepted(swappedRing), ring: swappedRing, change: altered(func(s *scene, m *kg1) {
		m.H2 = safePrime(pre(s.tb, 1).P).Bytes()
	})},
	{name: "Dlnproof with a negative length", alone: crashed, show: logProof(func(_ keygen.LocalPreParams, parts [][]byte) {
		parts[0] = negative
	}), change: altered(func(_ *scene, m *kg1) { m.Dlnproof_1[0] = negative })},
	{name: "Dlnproof with a negative second length", alone: crashed, show: logProof(func(_ keygen.LocalPreParams, parts [][]byte) {
		parts[129] = negative
	}), change: altered(func(_ *scene, m *kg1) { m.Dlnproof_2[129] = negative })},
	{name: "Dlnproof with a length beyond its end", alone: named, show: logProof(func(_ keygen.LocalPreParams, parts [][]byte) {
		parts[0] = []byte{2, 0}
	}), change: altered(func(_ *scene, m *kg1) { m.Dlnproof_1[0] = []byte{2, 0} })},
	{name: "Dlnproof with a long answer", alone: accepted, show: logProof(func(b keygen.LocalPreParams, parts [][]byte) {
		parts[257] = add(parts[257], product(b.P, b.Q, big.NewInt(16)))
	}), change: altered(func(s *scene, m *kg1) {
		order, _, _ := s.moduli("bob")
		m.Dlnproof_2[257] = add(m.Dlnproof_2[257], product(order, big.NewInt(16)))
	})},
	{name: "commitment too long", alone: named, show: readCommitted(slices.Repeat([]byte{1}, 33), points(2)), change: altered(func(_ *scene, m *kg1) { m.Commitment = slices.Repeat([]byte{1}, 33) })},
	{name: "share of zero", alone: crashed, show: dealing(func(s *vss.Share, _ *vss.Vs) { s.Share.SetInt64(0) }),
		change: altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = zero })},
	{name: "share is the order", alone: crashed, show: dealing(func(s *vss.Share, _ *vss.Vs) { s.Share.Set(secpOrder) }),
		change: altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = secpOrder.Bytes() })},
	{name: "share above the order", alone: accepted, show: dealing(func(s *vss.Share, _ *vss.Vs) { s.Share.Add(s.Share, secpOrder) }),
		change: altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = add(m.Share, secpOrder) })},
	{name: "share of another", alone: named, show: dealing(func(s *vss.Share, _ *vss.Vs) { s.Share.Add(s.Share, big.NewInt(1)) }),
		change: altered(func(_ *scene, m *keygen.KGRound2Message1) { m.Share = plusOne(m.Share) })},
	{name: "one coefficient too few", alone: crashed, show: dealing(func(_ *vss.Share, vs *vss.Vs) { *vs = (*vs)[:1] }), change: deal(func(parts [][]byte) [][]byte { return parts[:3] })},
	{name: "one coefficient too many", alone: accepted, show: dealing(func(_ *vss.Share, vs *vss.Vs) { *vs = append(*vs, (*vs)[0]) }), change: deal(func(parts [][]byte) [][]byte {
		return append(parts, parts[1], parts[2])
	})},
	{name: "coefficient off the curve", alone: named, show: readCommitted(commitTo(offSecp), offSecp), change: deal(func(parts [][]byte) [][]byte { return append(parts[:3:3], []byte{1}, []byte{2}) })},
	{name: "decommitment of another", alone: named, show: readCommitted(commitTo(points(1)), points(2)), change: altered(func(_ *scene, m *keygen.KGRound2Message2) { m.DeCommitment[0] = []byte{1} })},
	{name: "FacProof with a long W1", alone: accepted, show: facProof(8, aliceOrders), change: fac(8)},
	{name: "FacProof with a long W2", alone: accepted, show: facProof(9, aliceOrders), change: fac(9)},
	{name: "FacProof with a long V", alone: accepted, show: facProof(10, aliceOrders), change: fac(10)},
	{name: "FacProof with a part of zero", alone: named, show: facProof(0, func(*testing.T, []byte) []byte { return zero }),
		change: altered(func(_ *scene, m *keygen.KGRound2Message1) { m.FacProof[0] = zero })},
	{name: "no FacProof", alone: named, show: facProof(0, func(*testing.T, []byte) []byte { return nil }),
		change: altered(func(_ *scene, m *keygen.KGRound2Message1) { m.FacProof = nil })},
	{name: "FacProof with a factor of Ñ", alone: named, show: facProof(1, func(t *testing.T, _ []byte) []byte { return safePrime(pre(t, 0).P).Bytes() }),
		change: altered(func(s *scene, m *keygen.KGRound2Message1) { m.FacProof[1] = aliceFactor(s, nil) })},
	{name: "W of ModProof with the symbol 1", alone: named, show: modProof(0, []byte{1}),
		change: altered(func(_ *scene, m *keygen.KGRound2Message2) { m.ModProof[0] = []byte{1} })},
	{name: "X of ModProof with a factor of N", alone: named, show: modProof(1, nil), change: altered(func(s *scene, m *keygen.KGRound2Message2) {
		m.ModProof[1] = pre(s.tb, 1).PaillierSK.P.Bytes()
	})},
	{name: "Z of ModProof with a factor of N", alone: named, show: modProof(162, nil), change: altered(func(s *scene, m *keygen.KGRound2Message2) {
		m.ModProof[162] = pre(s.tb, 1).PaillierSK.P.Bytes()
	})},
	{name: "no ModProof", alone: named, show: func(*testing.T) outcome {
		return verdictOf(func() bool { _, err := modproof.NewProofFromBytes(nil); return err == nil })
	}, change: altered(func(_ *scene, m *keygen.KGRound2Message2) { m.ModProof = nil })},
	{name: "Paillier proof above N", alone: accepted, show: longPaillierProof, change: altered(func(s *scene, m *keygen.KGRound3Message) {
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
			if v.show != nil {
				if got := v.show(t); got != v.alone {
					t.Errorf("the library: not %s, but %s", v.alone, got)
				}
			}
			_, err := s.guarded(&violation{change: v.change})
			if !errors.Is(err, tss.ErrMessage) || !slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"}) {
				t.Errorf("the guard: %v", err)
			}
			where := "alone"
			if v.show == nil {
				where = "alone, in the long tests"
			}
			t.Logf("%s: %s; guarded: %v", where, v.alone, err)
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
