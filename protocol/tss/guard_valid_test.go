package tss

import (
	"crypto/sha256"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"filippo.io/edwards25519"
	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/commitments"
	"github.com/bnb-chain/tss-lib/v2/crypto/modproof"
	"github.com/bnb-chain/tss-lib/v2/crypto/vss"
	eckeygen "github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	ecsigning "github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	edkeygen "github.com/bnb-chain/tss-lib/v2/eddsa/keygen"
	edsigning "github.com/bnb-chain/tss-lib/v2/eddsa/signing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshmpc/mpcd/protocol"
)

// sample is a message of bob that the guard takes, with a machine of alice that
// waits for it. Its numbers are random in their ranges: guards verify no equation
// but those of commitments and shares. So every type has one within milliseconds,
// the same in every process.
type sample struct {
	t       *messageType
	content proto.Message
	body    []byte
	machine func() *machine // with a fresh guard
}

// maker makes samples. Alice has index 0, bob 1.
type maker struct {
	tb     testing.TB
	random *rand.Rand
	share  *Share // of alice, whose key bob has too: for his moduli
	pre    eckeygen.LocalPreParams
	suite  *suite
}

func newMaker(tb testing.TB, scheme protocol.Scheme) *maker {
	tb.Helper()
	m := &maker{tb: tb, random: rand.New(rand.NewPCG(1, 2))} // #nosec G404 -- the same in every process
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name)) // #nosec G304 -- a fixture
		if err != nil {
			tb.Fatal(err)
		}
		return b
	}
	var err error
	if m.share, err = DecodeShare(read("share-ecdsa-secp256k1.cbor")); err != nil {
		tb.Fatal(err)
	}
	set, err := DecodePreParams(read("preparams.cbor"))
	if err != nil {
		tb.Fatal(err)
	}
	m.pre = set.params
	if m.suite, err = suiteOf(scheme); err != nil {
		tb.Fatal(err)
	}
	return m
}

// Read makes the maker a source of randomness for the library.
func (m *maker) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(m.random.Uint32()) // #nosec G115 -- the low bits
	}
	return len(b), nil
}

// under returns bytes of a random number below v, above v/2^64.
func (m *maker) under(v *big.Int) []byte {
	for {
		b := make([]byte, (v.BitLen()+7)/8)
		_, _ = m.Read(b)
		x := new(big.Int).SetBytes(b)
		if x.Mod(x, v); x.BitLen() > v.BitLen()-64 {
			return x.Bytes()
		}
	}
}

func (m *maker) underAll(bounds ...*big.Int) [][]byte {
	parts := make([][]byte, len(bounds))
	for i, v := range bounds {
		parts[i] = m.under(v)
	}
	return parts
}

// point returns the coordinates of a random point.
func (m *maker) point() (x, y []byte) {
	px, py := m.suite.curve.ScalarBaseMult(m.scalar())
	return px.Bytes(), py.Bytes()
}

func (m *maker) scalar() []byte { return m.under(m.suite.curve.Params().N) }

// opening returns a commitment to so many points and its opening.
func (m *maker) opening(points int) (*big.Int, [][]byte) {
	list := make([]*crypto.ECPoint, points)
	for i := range list {
		list[i] = crypto.ScalarBaseMult(m.suite.curve, new(big.Int).SetBytes(m.scalar()))
	}
	return m.openingOf(list...)
}

func (m *maker) openingOf(points ...*crypto.ECPoint) (*big.Int, [][]byte) {
	parts := [][]byte{m.under(new(big.Int).Lsh(bigOne, 255))}
	for _, p := range points {
		parts = append(parts, p.X().Bytes(), p.Y().Bytes())
	}
	values := common.MultiBytesToBigInts(parts)
	return commitments.NewHashCommitmentWithRandomness(values[0], values[1:]...).C, parts
}

// deal returns a commitment to a polynomial of degree 1, its opening and alice's
// share.
func (m *maker) deal(ids *roster) (*big.Int, [][]byte, []byte) {
	vs, shares, err := vss.Create(m.suite.curve, 1, new(big.Int).SetBytes(m.scalar()), ids.ids.Keys(), m)
	if err != nil {
		m.tb.Fatal(err)
	}
	parts := [][]byte{m.under(new(big.Int).Lsh(bigOne, 255))}
	for _, v := range vs {
		parts = append(parts, v.X().Bytes(), v.Y().Bytes())
	}
	values := common.MultiBytesToBigInts(parts)
	return commitments.NewHashCommitmentWithRandomness(values[0], values[1:]...).C, parts, shares[0].Share.Bytes()
}

// samples returns one sample of each type of each ceremony of a scheme.
func samples(tb testing.TB, scheme protocol.Scheme) []*sample {
	tb.Helper()
	m := newMaker(tb, scheme)
	r := newRoster([]string{"alice", "bob"}, []*big.Int{big.NewInt(11), big.NewInt(12)}, "alice")
	var all []*sample
	for _, c := range []*ceremony{m.suite.keygen, m.suite.sign} {
		contents, newGuard := m.keygen(r)
		if c == m.suite.sign {
			contents, newGuard = m.sign()
		}
		for _, t := range c.types {
			i := slices.IndexFunc(contents, func(p proto.Message) bool {
				return p.ProtoReflect().Descriptor() == t.content.ProtoReflect().Descriptor()
			})
			s := &sample{t: t, content: contents[i], body: marshalAny(tb, contents[i])}
			s.machine = func() *machine {
				machine := newMachine(c, r)
				machine.runner.guard = newGuard()
				machine.enter(t.round)
				return machine
			}
			all = append(all, s)
		}
	}
	return all
}

func marshalAny(tb testing.TB, content proto.Message) []byte {
	tb.Helper()
	wire, err := anypb.New(content)
	if err != nil {
		tb.Fatal(err)
	}
	body, err := proto.Marshal(wire)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// keygen returns a message of each type and a maker of guards that have seen the
// earlier ones.
func (m *maker) keygen(r *roster) ([]proto.Message, func() guard) {
	commitment, opening, share := m.deal(r)
	setup := &keygenSetup{config: &KeygenConfig{Threshold: 2}, suite: m.suite, roster: r}
	sharing := func() *dealings {
		d := newDealings(setup)
		d.commitments[1] = commitment
		return d
	}
	if m.suite.scheme == protocol.EdDSA {
		x, y := m.point()
		return []proto.Message{
			&edkeygen.KGRound1Message{Commitment: commitment.Bytes()},
			&edkeygen.KGRound2Message1{Share: share},
			&edkeygen.KGRound2Message2{DeCommitment: opening, ProofAlphaX: x, ProofAlphaY: y, ProofT: m.scalar()},
		}, func() guard { return eddsaKeygenGuard{sharing()} }
	}
	bob := m.share.parties[1]
	newGuard := func() guard {
		g := newECDSAKeygenGuard(setup, &m.pre)
		g.dealings = sharing()
		g.moduli[1] = bob
		return g
	}
	return []proto.Message{
		&eckeygen.KGRound1Message{
			Commitment: commitment.Bytes(),
			PaillierN:  bob.n.Bytes(), NTilde: bob.nTilde.Bytes(), H1: bob.h1.Bytes(), H2: bob.h2.Bytes(),
			Dlnproof_1: m.logProof(bob.nTilde), Dlnproof_2: m.logProof(bob.nTilde),
		},
		&eckeygen.KGRound2Message1{Share: share, FacProof: m.facProof(&bob)},
		&eckeygen.KGRound2Message2{DeCommitment: opening, ModProof: m.modProof(bob.n)},
		&eckeygen.KGRound3Message{PaillierProof: m.underAll(slices.Repeat([]*big.Int{bob.n}, 13)...)},
	}, newGuard
}

func (m *maker) logProof(nTilde *big.Int) [][]byte {
	list := append([][]byte{{128}}, m.underAll(slices.Repeat([]*big.Int{nTilde}, 128)...)...)
	return append(append(list, []byte{128}), m.underAll(slices.Repeat([]*big.Int{nTilde}, 128)...)...)
}

func (m *maker) facProof(bob *party) [][]byte {
	r := newRanges(m.suite.curve.Params().N)
	nTilde := m.pre.NTildei
	both := new(big.Int).Mul(bob.n, nTilde)
	root := new(big.Int).Sqrt(bob.n)
	root.Mul(root, r.mask).Rsh(root, 1)
	wide := new(big.Int).Mul(r.mask, nTilde)
	return m.underAll(nTilde, nTilde, nTilde, nTilde, nTilde, both, root, root, wide, wide, new(big.Int).Mul(r.mask, both))
}

func (m *maker) modProof(n *big.Int) [][]byte {
	bounds := slices.Repeat([]*big.Int{n}, modproof.ProofModBytesParts)
	parts := m.underAll(bounds...)
	for big.Jacobi(new(big.Int).SetBytes(parts[0]), n) != -1 {
		parts[0] = m.under(n)
	}
	parts[81] = new(big.Int).Lsh(bigOne, 80).Bytes()
	parts[82] = parts[81]
	return parts
}

// sign is keygen for a signing.
func (m *maker) sign() ([]proto.Message, func() guard) {
	if m.suite.scheme == protocol.EdDSA {
		return m.signEdDSA()
	}
	c1, d1 := m.opening(1)
	x, y := m.point()
	alice, bob := &m.share.parties[0], &m.share.parties[1]
	square := func(v *big.Int) *big.Int { return new(big.Int).Mul(v, v) }
	r := newRanges(m.suite.curve.Params().N)
	wide := new(big.Int).Mul(r.mask, alice.nTilde)
	c2, d2 := m.opening(2)
	newGuard := func() guard {
		g := newECDSASignGuard(&signSetup{share: m.share, signers: m.share.parties[:2]})
		g.gammas[1], g.proofs[1], g.checks[1] = c1, c2, c2
		return g
	}
	bobProof := func() [][]byte {
		nt := alice.nTilde
		return m.underAll(nt, nt, nt, square(alice.n), nt, alice.n, r.q3, wide, r.q7, wide)
	}
	return []proto.Message{
		&ecsigning.SignRound1Message1{
			C:               m.under(square(bob.n)),
			RangeProofAlice: m.underAll(alice.nTilde, square(bob.n), alice.nTilde, bob.n, r.q3, wide),
		},
		&ecsigning.SignRound1Message2{Commitment: c1.Bytes()},
		&ecsigning.SignRound2Message{
			C1: m.under(square(alice.n)), ProofBob: bobProof(),
			C2: m.under(square(alice.n)), ProofBobWc: append(bobProof(), x, y),
		},
		&ecsigning.SignRound3Message{Theta: m.scalar()},
		&ecsigning.SignRound4Message{DeCommitment: d1, ProofAlphaX: x, ProofAlphaY: y, ProofT: m.scalar()},
		&ecsigning.SignRound5Message{Commitment: c2.Bytes()},
		&ecsigning.SignRound6Message{
			DeCommitment: d2, ProofAlphaX: x, ProofAlphaY: y, ProofT: m.scalar(),
			VProofAlphaX: x, VProofAlphaY: y, VProofT: m.scalar(), VProofU: m.scalar(),
		},
		&ecsigning.SignRound7Message{Commitment: c2.Bytes()},
		&ecsigning.SignRound8Message{DeCommitment: d2},
		&ecsigning.SignRound9Message{S: m.scalar()},
	}, newGuard
}

// signEdDSA is sign for EdDSA, where the guard verifies the part of the signature.
func (m *maker) signEdDSA() ([]proto.Message, func() guard) {
	curve := edCurve{m.suite.curve.Params()}
	point := func(k []byte) *crypto.ECPoint { return crypto.ScalarBaseMult(curve, new(big.Int).SetBytes(k)) }
	xAlice, xBob, rAlice, rBob := m.scalar(), m.scalar(), m.scalar(), m.scalar()
	setup := &signSetup{
		share: &Share{suite: m.suite, public: point(m.scalar())}, payload: []byte("message"),
		signers: []party{{key: big.NewInt(11), bigX: point(xAlice)}, {key: big.NewInt(12), bigX: point(xBob)}},
	}
	c, d := m.openingOf(point(rBob))
	newGuard := func() guard {
		g := newEdDSASignGuard(setup)
		g.commitments[1] = c
		g.partials.nonce(0, point(rAlice))
		g.partials.nonce(1, point(rBob)) // in round 3; in round 2 it is set again
		return g
	}
	p := newGuard().(*eddsaSignGuard).partials
	p.challenge()
	s := edwards25519.NewScalar().Multiply(p.h, p.coefficient(1))
	s.MultiplyAdd(s, canonicalScalar(xBob), canonicalScalar(rBob))
	le := s.Bytes()
	slices.Reverse(le)
	x, y := m.point()
	return []proto.Message{
		&edsigning.SignRound1Message{Commitment: c.Bytes()},
		&edsigning.SignRound2Message{DeCommitment: d, ProofAlphaX: x, ProofAlphaY: y, ProofT: m.scalar()},
		&edsigning.SignRound3Message{S: new(big.Int).SetBytes(le).Bytes()},
	}, newGuard
}

// allSamples returns the samples of both schemes.
func allSamples(tb testing.TB) []*sample {
	tb.Helper()
	return append(samples(tb, protocol.ECDSA), samples(tb, protocol.EdDSA)...)
}

// message returns the sample as bob would send it, with another body.
func (s *sample) message(body []byte) *protocol.Message {
	m := &protocol.Message{Round: s.t.round, Name: s.t.name, From: "bob", Body: body}
	if s.t.direct {
		m.To = "alice"
	}
	return m
}

func TestSamples(t *testing.T) {
	seen := map[[32]byte]bool{}
	for _, s := range allSamples(t) {
		if _, _, err := s.machine().admit(s.message(s.body)); err != nil {
			t.Errorf("%s: %v", s.t.url, err)
		}
		seen[sha256.Sum256(s.body)] = true
	}
	if len(seen) != 4+10+3+3 {
		t.Errorf("%d samples", len(seen))
	}
}
