package tss_test

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// field is a number of a message with the least and the greatest value that the
// guard takes.
type field struct {
	name     string
	at       func(m proto.Message) *[]byte // nil for other messages
	min, max *big.Int
}

func ecdsaKeygenScene(tb testing.TB) *scene { return &scene{tb: tb, scheme: protocol.ECDSA} }

// part makes fields of one place in the parts of a proof.
func part[M proto.Message](parts func(M) [][]byte, i int) func(proto.Message) *[]byte {
	return func(content proto.Message) *[]byte {
		if m, ok := content.(M); ok {
			return &parts(m)[i]
		}
		return nil
	}
}

// single makes fields of a number that stands alone.
func single[M proto.Message](f func(M) *[]byte) func(proto.Message) *[]byte {
	return func(content proto.Message) *[]byte {
		if m, ok := content.(M); ok {
			return f(m)
		}
		return nil
	}
}

// below returns v - 1.
func below(v *big.Int) *big.Int { return new(big.Int).Sub(v, big.NewInt(1)) }

func product(factors ...*big.Int) *big.Int {
	p := big.NewInt(1)
	for _, f := range factors {
		p.Mul(p, f)
	}
	return p
}

// The bounds, written from the papers: N the Paillier modulus, Ñ alice's.
func signFields(s *scene) []field {
	q, one := secpOrder, big.NewInt(1)
	nBob, _, _, _ := tss.Moduli(s.key.shares["alice"], "bob")
	nAlice, nTilde, _, _ := tss.Moduli(s.key.shares["alice"], "alice")
	q3 := product(q, q, q)
	q7 := product(q3, q3, q)
	wide := below(product(new(big.Int).Add(q3, product(q, q)), nTilde))
	type m1 = *signing.SignRound1Message1
	type m2 = *signing.SignRound2Message
	alice := func(m m1) [][]byte { return m.RangeProofAlice }
	fields := []field{
		{"C", single(func(m m1) *[]byte { return &m.C }), one, below(product(nBob, nBob))},
		{"alice Z", part(alice, aliceZ), big.NewInt(2), below(nTilde)},
		{"alice U", part(alice, aliceU), one, below(product(nBob, nBob))},
		{"alice W", part(alice, aliceW), one, below(nTilde)},
		{"alice S", part(alice, aliceS), big.NewInt(2), below(nBob)},
		{"alice S1", part(alice, aliceS1), q, q3},
		{"alice S2", part(alice, aliceS2), q, wide},
		{"C1", single(func(m m2) *[]byte { return &m.C1 }), one, below(product(nAlice, nAlice))},
		{"C2", single(func(m m2) *[]byte { return &m.C2 }), one, below(product(nAlice, nAlice))},
	}
	for i, parts := range []func(m m2) [][]byte{
		func(m m2) [][]byte { return m.ProofBob },
		func(m m2) [][]byte { return m.ProofBobWc },
	} {
		name := []string{"bob ", "bob with check "}[i]
		low, high := q, q3
		if i == 1 { // no multiple of q
			low, high = new(big.Int).Add(q, one), below(q3)
		}
		fields = append(fields,
			field{name + "Z", part(parts, bobZ), one, below(nTilde)},
			field{name + "ZPrm", part(parts, bobZ+1), one, below(nTilde)},
			field{name + "T", part(parts, bobZ+2), one, below(nTilde)},
			field{name + "V", part(parts, bobV), one, below(product(nAlice, nAlice))},
			field{name + "W", part(parts, bobV+1), one, below(nTilde)},
			field{name + "S", part(parts, bobS), one, below(nAlice)},
			field{name + "S1", part(parts, bobS1), low, high},
			field{name + "S2", part(parts, bobS2), q, wide},
			field{name + "T1", part(parts, bobT1), q, q7},
			field{name + "T2", part(parts, bobT2), q, wide})
	}
	last := below(q)
	return append(fields,
		field{"theta", single(func(m *signing.SignRound3Message) *[]byte { return &m.Theta }), one, last},
		field{"round 4 T", single(func(m *signing.SignRound4Message) *[]byte { return &m.ProofT }), one, last},
		field{"round 6 T", single(func(m *signing.SignRound6Message) *[]byte { return &m.ProofT }), one, last},
		field{"round 6 V T", single(func(m *signing.SignRound6Message) *[]byte { return &m.VProofT }), one, last},
		field{"round 6 V U", single(func(m *signing.SignRound6Message) *[]byte { return &m.VProofU }), one, last},
		field{"S", single(func(m *signing.SignRound9Message) *[]byte { return &m.S }), one, last})
}

func keygenFields(s *scene) []field {
	q, one, two := secpOrder, big.NewInt(1), big.NewInt(2)
	_, n, nTildeBob := s.moduli("bob")
	_, _, nTilde := s.moduli("alice")
	q3 := product(q, q, q)
	root := below(product(q3, new(big.Int).Sqrt(n)))
	mask := new(big.Int).Add(q3, product(q, q))
	type m1 = *keygen.KGRound1Message
	type m2 = *keygen.KGRound2Message2
	fac := func(m *keygen.KGRound2Message1) [][]byte { return m.FacProof }
	mod := func(m m2) [][]byte { return m.ModProof }
	top := new(big.Int).Lsh(one, 81)
	fields := []field{
		{"h1", single(func(m m1) *[]byte { return &m.H1 }), two, below(below(nTildeBob))},
		{"h2", single(func(m m1) *[]byte { return &m.H2 }), two, below(below(nTildeBob))},
		{"Dlnproof_1 length 1", part(func(m m1) [][]byte { return m.Dlnproof_1 }, 0), big.NewInt(128), big.NewInt(128)},
		{"Dlnproof_2 length 2", part(func(m m1) [][]byte { return m.Dlnproof_2 }, 129), big.NewInt(128), big.NewInt(128)},
		{"Dlnproof_1 alpha", part(func(m m1) [][]byte { return m.Dlnproof_1 }, 128), two, below(nTildeBob)},
		{"Dlnproof_2 T", part(func(m m1) [][]byte { return m.Dlnproof_2 }, 257), two, below(nTildeBob)},
		{"X", part(mod, 1), one, below(n)},
		{"A", part(mod, 81), new(big.Int).Lsh(one, 80), below(top)},
		{"B", part(mod, 82), new(big.Int).Lsh(one, 80), below(top)},
		{"Z", part(mod, 162), one, below(n)},
		{"Paillier proof", part(func(m *keygen.KGRound3Message) [][]byte { return m.PaillierProof }, 12), one, below(n)},
		{"Sigma", part(fac, 5), one, below(product(q, n, nTilde))},
		{"Z1", part(fac, 6), one, root},
		{"Z2", part(fac, 7), one, root},
		{"W1", part(fac, 8), one, below(product(mask, nTilde))},
		{"W2", part(fac, 9), one, below(product(mask, nTilde))},
		{"V", part(fac, 10), one, below(product(mask, n, nTilde))},
	}
	for i, name := range []string{"P", "Q", "A", "B", "T"} {
		fields = append(fields, field{"FacProof " + name, part(fac, i), one, below(nTilde)})
	}
	return fields
}

// The guards' bounds are exact: the least and the greatest value pass, their
// neighbours do not. What passes need not prove anything: equations are the
// library's business.
func TestExactBounds(t *testing.T) {
	check := func(s *scene, fields []field) {
		all := s.record()
		for _, f := range fields {
			// No further than the message that has the field.
			last := slices.IndexFunc(all, func(m protocol.Message) bool {
				return m.From == "bob" && f.at(decode(t, m.Body)) != nil
			})
			s.recorded = all[:last+1]
			for _, v := range []struct {
				value *big.Int
				pass  bool
			}{
				{f.min, true}, {f.max, true}, {below(f.min), false}, {new(big.Int).Add(f.max, big.NewInt(1)), false},
			} {
				_, err := s.guarded(&violation{change: func(_ *scene, m proto.Message) {
					if b := f.at(m); b != nil {
						*b = v.value.Bytes()
					}
				}})
				blamed := errors.Is(err, tss.ErrMessage) && slices.Equal(protocol.Culprits(err), []protocol.PeerID{"bob"})
				if (err == nil) != v.pass || blamed == v.pass {
					t.Errorf("%s = %d bits: %v", f.name, v.value.BitLen(), err)
				}
			}
		}
	}
	s := signScene(protocol.ECDSA)(t)
	check(s, signFields(s))
	s = ecdsaKeygenScene(t)
	check(s, keygenFields(s))
}
