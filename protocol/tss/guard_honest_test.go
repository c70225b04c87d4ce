package tss_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/dlnproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/facproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/mta"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// prover makes bob's proofs with the library, from a seed.
type prover struct {
	t      *testing.T
	random *rand.ChaCha8
	a, b   keygen.LocalPreParams
}

func newProver(t *testing.T) *prover {
	t.Helper()
	var key [32]byte
	copy(key[:], fmt.Sprint(randomSeed(t)))
	return &prover{t: t, random: rand.NewChaCha8(key), a: pre(t, 0), b: pre(t, 1)}
}

func (p *prover) draw(limit *big.Int) *big.Int { return common.GetRandomPositiveInt(p.random, limit) }

// check ends the test on an error of the library.
func (p *prover) check(err error) {
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *prover) round1(m *signing.SignRound1Message1) {
	pk := &p.b.PaillierSK.PublicKey
	c, proof, err := mta.AliceInit(tsslib.S256(), pk, p.draw(secpOrder), p.a.NTildei, p.a.H1i, p.a.H2i, p.random)
	p.check(err)
	parts := proof.Bytes()
	m.C, m.RangeProofAlice = c.Bytes(), parts[:]
}

func (p *prover) round2(m *signing.SignRound2Message) {
	pk := &p.a.PaillierSK.PublicKey
	q5 := product(secpOrder, secpOrder, secpOrder, secpOrder, secpOrder)
	for _, withCheck := range []bool{false, true} {
		c1, err := pk.Encrypt(p.random, p.draw(secpOrder))
		p.check(err)
		x, y := p.draw(secpOrder), p.draw(q5)
		masked, r, err := pk.EncryptAndReturnRandomness(p.random, y)
		p.check(err)
		c2, err := pk.HomoMult(x, c1)
		p.check(err)
		c2, err = pk.HomoAdd(c2, masked)
		p.check(err)
		var point *crypto.ECPoint
		if withCheck {
			point = crypto.ScalarBaseMult(tsslib.S256(), x)
		}
		proof, err := mta.ProveBobWC(nil, tsslib.S256(), pk, p.a.NTildei, p.a.H1i, p.a.H2i, c1, c2, x, y, r, point, p.random)
		p.check(err)
		if withCheck {
			parts := proof.Bytes()
			m.C2, m.ProofBobWc = c2.Bytes(), parts[:]
		} else {
			parts := proof.ProofBob.Bytes()
			m.C1, m.ProofBob = c2.Bytes(), parts[:]
		}
	}
}

func (p *prover) factors(m *keygen.KGRound2Message1) {
	sk := p.b.PaillierSK
	proof, err := facproof.NewProof(nil, tsslib.S256(), sk.N, p.a.NTildei, p.a.H1i, p.a.H2i, sk.P, sk.Q, p.random)
	p.check(err)
	parts := proof.Bytes()
	m.FacProof = parts[:]
}

func (p *prover) modulus(m *keygen.KGRound2Message2) {
	proof, err := modproof.NewProof(nil, p.b.PaillierSK.N, p.b.PaillierSK.P, p.b.PaillierSK.Q, p.random)
	p.check(err)
	parts := proof.Bytes()
	m.ModProof = parts[:]
}

func (p *prover) logs(m *keygen.KGRound1Message) {
	b := &p.b
	parts, err := dlnproof.NewDLNProof(b.H1i, b.H2i, b.Alpha, b.P, b.Q, b.NTildei, p.random).Serialize()
	p.check(err)
	m.Dlnproof_1 = parts
}

func (p *prover) paillier(m *keygen.KGRound3Message) {
	sk := paillier.PrivateKey{PublicKey: p.b.PaillierSK.PublicKey, PhiN: p.b.PaillierSK.PhiN}
	for i, v := range sk.Proof(p.draw(secpOrder), crypto.ScalarBaseMult(tsslib.S256(), p.draw(secpOrder))) {
		m.PaillierProof[i] = v.Bytes()
	}
}

// room is how near to their bounds the honest numbers of a field came.
type room struct {
	count    int
	min, max int // bits
}

// No guard minds what the library proves honestly. The log says how many bits of
// its bounds each number used: the upper ones are those of what is drawn, so they
// are reached, and exceeded with a probability of at most 1/q.
func TestHonestProofs(t *testing.T) {
	rounds := 3
	if longTests {
		rounds = 60
	}
	p := newProver(t)
	rooms := map[string]*room{}
	for _, kind := range []struct {
		scene  *scene
		fields func(*scene) []field
	}{{signScene(protocol.ECDSA)(t), signFields}, {ecdsaKeygenScene(t), keygenFields}} {
		fields := kind.fields(kind.scene)
		for range rounds {
			_, err := kind.scene.guarded(&violation{change: func(_ *scene, content proto.Message) { p.renew(content, fields, rooms) }})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range fields {
			r := rooms[f.name]
			t.Logf("%-22s %4d numbers of %d to %d bits, bounds %d and %d", f.name, r.count, r.min, r.max, f.min.BitLen(), f.max.BitLen())
		}
	}
}

// renew puts new proofs into a message and notes their numbers.
func (p *prover) renew(content proto.Message, fields []field, rooms map[string]*room) {
	switch m := content.(type) {
	case *signing.SignRound1Message1:
		p.round1(m)
	case *signing.SignRound2Message:
		p.round2(m)
	case *keygen.KGRound1Message:
		p.logs(m)
	case *keygen.KGRound2Message1:
		p.factors(m)
	case *keygen.KGRound2Message2:
		p.modulus(m)
	case *keygen.KGRound3Message:
		p.paillier(m)
	}
	for _, f := range fields {
		b := f.at(content)
		if b == nil {
			continue
		}
		bits := new(big.Int).SetBytes(*b).BitLen()
		if r := rooms[f.name]; r != nil {
			r.count, r.min, r.max = r.count+1, min(r.min, bits), max(r.max, bits)
		} else {
			rooms[f.name] = &room{1, bits, bits}
		}
	}
}

// Whole ceremonies of many sizes, in random order, never trip a guard.
func TestHonestCeremonies(t *testing.T) {
	rounds := 30
	if tss.UnderRace {
		rounds = 5
	}
	if longTests {
		rounds = 300
	}
	seed := randomSeed(t)
	random := rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- a test that repeats
	for i := range rounds {
		n := 2 + random.IntN(4)
		th := protocol.Threshold{T: 2 + random.IntN(n-1), N: n}
		options := protocoltest.Options{Seed: seed + uint64(i), Reorder: true} // #nosec G115 -- small
		results, _, err := protocoltest.Run(keygenParties(t, protocol.EdDSA, th), options)
		if err != nil {
			t.Fatalf("%v: %v", th, err)
		}
		k := keyOf(t, th, results)
		members := protocoltest.Members(n)
		random.Shuffle(n, func(i, j int) { members[i], members[j] = members[j], members[i] })
		if _, _, err := protocoltest.Run(signParties(t, k, members[:th.T], sid("honest %d", i), digest("%d", i)), options); err != nil {
			t.Fatalf("%v: %v", th, err)
		}
	}
	k := newKey(t, protocol.ECDSA, protocol.Threshold{T: 2, N: 3})
	for i := range rounds / 10 {
		signers := slices.Delete(protocoltest.Members(3), i%3, i%3+1)
		options := protocoltest.Options{Seed: seed + uint64(i), Reorder: true} // #nosec G115 -- small
		if _, _, err := protocoltest.Run(signParties(t, k, signers, sid("honest %d", i), digest("%d", i)), options); err != nil {
			t.Fatal(err)
		}
	}
}
