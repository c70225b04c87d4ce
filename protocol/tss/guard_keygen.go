package tss

import (
	"errors"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
)

// ecdsaKeygenGuard guards an ECDSA keygen: the moduli that every member brings
// (guard_moduli.go), the proofs about them (guard_factors.go), and the sharing of
// the key.
type ecdsaKeygenGuard struct {
	*dealings
	ranges *ranges
	self   int
	moduli []party // by index, of round 1; n is nil for those not heard of
}

func newECDSAKeygenGuard(k *keygenSetup, pre *keygen.LocalPreParams) *ecdsaKeygenGuard {
	g := &ecdsaKeygenGuard{
		dealings: newDealings(k),
		ranges:   newRanges(k.suite.curve.Params().N),
		self:     k.roster.self,
		moduli:   make([]party, len(k.roster.ids)),
	}
	g.moduli[g.self] = party{n: pre.PaillierSK.N, nTilde: pre.NTildei, h1: pre.H1i, h2: pre.H2i}
	return g
}

func (g *ecdsaKeygenGuard) sent(tsslib.MessageContent) {}

func (g *ecdsaKeygenGuard) check(from int, content tsslib.MessageContent) error {
	switch m := content.(type) {
	case *keygen.KGRound1Message:
		return g.round1(from, m)
	case *keygen.KGRound2Message1:
		return g.round2Share(from, m)
	case *keygen.KGRound2Message2:
		return g.round2Opening(from, m)
	case *keygen.KGRound3Message:
		return g.round3(from, m)
	}
	return errNoGuard
}

// round1 guards the moduli, and the proofs that h1 and h2 are each other's powers.
func (g *ecdsaKeygenGuard) round1(from int, m *keygen.KGRound1Message) error {
	if err := g.commit(from, m.GetCommitment()); err != nil {
		return err
	}
	p, err := readModuli(m)
	if err != nil {
		return err
	}
	if err := checkLogProof("Dlnproof_1", m.GetDlnproof_1(), p.nTilde); err != nil {
		return err
	}
	if err := checkLogProof("Dlnproof_2", m.GetDlnproof_2(), p.nTilde); err != nil {
		return err
	}
	for i := range g.moduli {
		if err := g.unlike(from, &p, i); err != nil {
			return err
		}
	}
	g.moduli[from] = p
	return nil
}

// round2Share guards this party's share, and the proof that N has no small factor.
func (g *ecdsaKeygenGuard) round2Share(from int, m *keygen.KGRound2Message1) error {
	if err := g.ranges.factors(m.GetFacProof(), &g.moduli[from], &g.moduli[g.self]); err != nil {
		return err
	}
	return g.deal(from, m.GetShare())
}

// round2Opening guards the polynomial, and the proof that N is the product of two
// primes.
func (g *ecdsaKeygenGuard) round2Opening(from int, m *keygen.KGRound2Message2) error {
	if err := checkModulusProof(m.GetModProof(), g.moduli[from].n); err != nil {
		return err
	}
	return g.open(from, m.GetDeCommitment())
}

// round3 guards the proof that N and φ(N) are coprime.
func (g *ecdsaKeygenGuard) round3(from int, m *keygen.KGRound3Message) error {
	spans := make([]span, paillier.ProofIters)
	for i := range spans {
		spans[i] = span{"a part", bigOne, g.moduli[from].n}
	}
	_, err := numbers("PaillierProof", m.GetPaillierProof(), spans)
	return err
}

var (
	errOwnModuli  = errors.New("a modulus, h1 or h2 is this party's own, or shares a factor with it")
	errSameModuli = errors.New("two members have the same modulus, h1 or h2: one of them copies")
	errFactor     = errors.New("the moduli of two members share a prime, so they know each other's factors")
)

// unlike checks the numbers of a sender against those of another party. Those of
// honest members are random, so nothing is alike by chance. Who copies what
// another has published can be anybody's turn to be heard first: only the owner
// knows that the other is at fault. But a common prime of different moduli is
// known to both of their makers.
func (g *ecdsaKeygenGuard) unlike(from int, p *party, other int) error {
	o := &g.moduli[other]
	if o.n == nil || other == from {
		return nil
	}
	same, factor := false, false
	for _, a := range []*big.Int{p.h1, p.h2} {
		same = same || a.Cmp(o.h1) == 0 || a.Cmp(o.h2) == 0
	}
	for _, a := range []*big.Int{p.n, p.nTilde} {
		for _, b := range []*big.Int{o.n, o.nTilde} {
			same = same || a.Cmp(b) == 0
			factor = factor || !coprime(a, b)
		}
	}
	switch {
	case !same && !factor:
		return nil
	case other == g.self:
		return errOwnModuli
	case same:
		return &verdict{err: errSameModuli}
	}
	return &verdict{culprits: []int{from, other}, err: errFactor}
}
