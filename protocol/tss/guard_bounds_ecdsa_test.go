package tss_test

import (
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol/tss"
)

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
		plain("C", single(func(m m1) *[]byte { return &m.C }), one, below(product(nBob, nBob))),
		plain("alice Z", part(alice, aliceZ), big.NewInt(2), below(nTilde)),
		plain("alice U", part(alice, aliceU), one, below(product(nBob, nBob))),
		plain("alice W", part(alice, aliceW), one, below(nTilde)),
		plain("alice S", part(alice, aliceS), big.NewInt(2), below(nBob)),
		plain("alice S1", part(alice, aliceS1), q, q3),
		plain("alice S2", part(alice, aliceS2), q, wide),
		plain("C1", single(func(m m2) *[]byte { return &m.C1 }), one, below(product(nAlice, nAlice))),
		plain("C2", single(func(m m2) *[]byte { return &m.C2 }), one, below(product(nAlice, nAlice))),
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
			plain(name+"Z", part(parts, bobZ), one, below(nTilde)),
			plain(name+"ZPrm", part(parts, bobZ+1), one, below(nTilde)),
			plain(name+"T", part(parts, bobZ+2), one, below(nTilde)),
			plain(name+"V", part(parts, bobV), one, below(product(nAlice, nAlice))),
			plain(name+"W", part(parts, bobV+1), one, below(nTilde)),
			plain(name+"S", part(parts, bobS), one, below(nAlice)),
			plain(name+"S1", part(parts, bobS1), low, high),
			plain(name+"S2", part(parts, bobS2), q, wide),
			plain(name+"T1", part(parts, bobT1), q, q7),
			plain(name+"T2", part(parts, bobT2), q, wide))
	}
	return append(fields, signRounds()...)
}

// signRounds are the fields of rounds 3 to 9, and the commitments of round 1.
func signRounds() []field {
	one, last := big.NewInt(1), below(secpOrder)
	type (
		m1 = *signing.SignRound1Message2
		m4 = *signing.SignRound4Message
		m5 = *signing.SignRound5Message
		m6 = *signing.SignRound6Message
		m7 = *signing.SignRound7Message
		m8 = *signing.SignRound8Message
	)
	c1, c5, c7 := func(m m1) *[]byte { return &m.Commitment }, func(m m5) *[]byte { return &m.Commitment }, func(m m7) *[]byte { return &m.Commitment }
	return []field{
		hashed("commitment 1", c1),
		hashed("commitment 5", c5),
		hashed("commitment 7", c7),
		opening("opening 4", c1, func(m m4) [][]byte { return m.DeCommitment }),
		opening("opening 6", c5, func(m m6) [][]byte { return m.DeCommitment }),
		opening("opening 8", c7, func(m m8) [][]byte { return m.DeCommitment }),
		plain("theta", single(func(m *signing.SignRound3Message) *[]byte { return &m.Theta }), one, last),
		plain("round 4 T", single(func(m m4) *[]byte { return &m.ProofT }), one, last),
		plain("round 6 T", single(func(m m6) *[]byte { return &m.ProofT }), one, last),
		plain("round 6 V T", single(func(m m6) *[]byte { return &m.VProofT }), one, last),
		plain("round 6 V U", single(func(m m6) *[]byte { return &m.VProofU }), one, last),
		secpX("round 4 alpha", func(m m4) (x, y *[]byte) { return &m.ProofAlphaX, &m.ProofAlphaY }),
		secpX("round 6 alpha", func(m m6) (x, y *[]byte) { return &m.ProofAlphaX, &m.ProofAlphaY }),
		secpX("round 6 V alpha", func(m m6) (x, y *[]byte) { return &m.VProofAlphaX, &m.VProofAlphaY }),
		plain("S", single(func(m *signing.SignRound9Message) *[]byte { return &m.S }), one, last),
	}
}

// secpX makes the field of the x-coordinate of a point: what it is modulo p decides
// whether it has one.
func secpX[M proto.Message](name string, at func(M) (x, y *[]byte)) field {
	p := tsslib.S256().Params().P
	root := func(x *big.Int) *big.Int { // y² = x³ + 7 (SEC 2 §2.4.1)
		y := product(x, x, x)
		return y.ModSqrt(y.Mod(y.Add(y, big.NewInt(7)), p), p)
	}
	most := below(p)
	for root(most) == nil {
		most = below(most)
	}
	f := plain(name, single(func(m M) *[]byte { x, _ := at(m); return x }), big.NewInt(1), most)
	f.more = new(big.Int).Add(p, f.min)
	f.fit = func(_ *scene, content proto.Message, value *big.Int) {
		if m, ok := content.(M); ok && value.Sign() != 0 {
			_, y := at(m)
			*y = root(value).Bytes()
		}
	}
	return f
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
	type m3 = *keygen.KGRound3Message
	fac := func(m *keygen.KGRound2Message1) [][]byte { return m.FacProof }
	mod := func(m m2) [][]byte { return m.ModProof }
	fields := []field{
		plain("h1", single(func(m m1) *[]byte { return &m.H1 }), two, below(below(nTildeBob))),
		plain("h2", single(func(m m1) *[]byte { return &m.H2 }), two, below(below(nTildeBob))),
		plain("first X", part(mod, 1), one, below(n)),
		plain("last X", part(mod, 80), one, below(n)),
		plain("A", part(mod, 81), power2(80), below(power2(81))),
		plain("B", part(mod, 82), power2(80), below(power2(81))),
		plain("first Z", part(mod, 83), one, below(n)),
		plain("last Z", part(mod, 162), one, below(n)),
		plain("first of the Paillier proof", part(func(m m3) [][]byte { return m.PaillierProof }, 0), one, below(n)),
		plain("last of the Paillier proof", part(func(m m3) [][]byte { return m.PaillierProof }, 12), one, below(n)),
		plain("Sigma", part(fac, 5), one, below(product(q, n, nTilde))),
		plain("Z1", part(fac, 6), one, root),
		plain("Z2", part(fac, 7), one, root),
		plain("W1", part(fac, 8), one, below(product(mask, nTilde))),
		plain("W2", part(fac, 9), one, below(product(mask, nTilde))),
		plain("V", part(fac, 10), one, below(product(mask, n, nTilde))),
	}
	for i, name := range []string{"P", "Q", "A", "B", "T"} {
		fields = append(fields, plain("FacProof "+name, part(fac, i), one, below(nTilde)))
	}
	for _, proof := range []struct {
		name  string
		parts func(m1) [][]byte
	}{
		{"Dlnproof_1 ", func(m m1) [][]byte { return m.Dlnproof_1 }},
		{"Dlnproof_2 ", func(m m1) [][]byte { return m.Dlnproof_2 }},
	} {
		count := big.NewInt(128)
		fields = append(fields,
			plain(proof.name+"length 1", part(proof.parts, 0), count, count),
			plain(proof.name+"first alpha", part(proof.parts, 1), two, below(nTildeBob)),
			plain(proof.name+"last alpha", part(proof.parts, 128), two, below(nTildeBob)),
			plain(proof.name+"length 2", part(proof.parts, 129), count, count),
			plain(proof.name+"first T", part(proof.parts, 130), two, below(nTildeBob)),
			plain(proof.name+"last T", part(proof.parts, 257), two, below(nTildeBob)))
	}
	return append(fields,
		modulusW(part(mod, 0), n),
		hashed("commitment", func(m m1) *[]byte { return &m.Commitment }),
		opening("opening", func(m m1) *[]byte { return &m.Commitment }, func(m m2) [][]byte { return m.DeCommitment }),
		shareField(s, single(func(m *keygen.KGRound2Message1) *[]byte { return &m.Share }), tsslib.S256()))
}

// modulusW makes the field of the W of a ModProof, whose symbol is -1 whatever its size.
func modulusW(at func(proto.Message) *[]byte, n *big.Int) field {
	f := plain("W", at, big.NewInt(1), below(n))
	for big.Jacobi(f.min, n) != -1 {
		f.min = new(big.Int).Add(f.min, big.NewInt(1))
	}
	for big.Jacobi(f.max, n) != -1 {
		f.max = below(f.max)
	}
	f.less, f.more = new(big.Int), new(big.Int).Add(n, f.min)
	return f
}

// moduliFields are the moduli of round 1: odd composites, and the rest of the message fits
// Ñ. 2^2047+1 is a multiple of 3; 2^2048-1 is; 2^2047-1 is one of 47 (a Mersenne number,
// 2^23-1 divides it); 2^2048+1 is a Fermat number, which is composite.
func moduliFields(*scene) []field {
	type m1 = *keygen.KGRound1Message
	one := big.NewInt(1)
	modulus := func(name string, at func(m1) *[]byte) field {
		f := plain(name, single(at), new(big.Int).Add(power2(2047), one), below(power2(2048)))
		f.less, f.more = below(power2(2047)), new(big.Int).Add(power2(2048), one)
		return f
	}
	nTilde := modulus("Ñ", func(m m1) *[]byte { return &m.NTilde })
	nTilde.fit = func(_ *scene, content proto.Message, _ *big.Int) {
		m, ok := content.(m1)
		if !ok {
			return
		}
		m.H1, m.H2 = []byte{2}, []byte{4}
		for i := 1; i <= 128; i++ {
			for _, parts := range [][][]byte{m.Dlnproof_1, m.Dlnproof_2} {
				parts[i], parts[129+i] = []byte{2}, []byte{2}
			}
		}
	}
	return []field{modulus("N", func(m m1) *[]byte { return &m.PaillierN }), nTilde}
}
