package tss

import (
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/eddsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/eddsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
)

// eddsaKeygenGuard guards an EdDSA keygen.
type eddsaKeygenGuard struct{ *dealings }

func (g eddsaKeygenGuard) sent(tsslib.MessageContent) {}

func (g eddsaKeygenGuard) check(from int, content tsslib.MessageContent) error {
	switch m := content.(type) {
	case *keygen.KGRound1Message:
		return g.commit(from, m.GetCommitment())
	case *keygen.KGRound2Message1:
		return g.deal(from, m.GetShare())
	case *keygen.KGRound2Message2:
		return g.round2(from, m)
	}
	return errNoGuard
}

// round2 guards the polynomial: the library indexes the opened points and the
// fields of the proof without counting them.
func (g eddsaKeygenGuard) round2(from int, m *keygen.KGRound2Message2) error {
	if err := g.suite.schnorr("proof", m.GetProofAlphaX(), m.GetProofAlphaY(), m.GetProofT()); err != nil {
		return err
	}
	return g.open(from, m.GetDeCommitment())
}

// eddsaSignGuard guards an EdDSA signing.
type eddsaSignGuard struct {
	suite       *suite
	self        int
	commitments []*big.Int // to the nonces R_j
	partials    *partials
}

func newEdDSASignGuard(s *signSetup) *eddsaSignGuard {
	return &eddsaSignGuard{suite: s.share.suite, self: s.self, commitments: make([]*big.Int, len(s.signers)), partials: newPartials(s)}
}

// sent sees the own nonce, which the challenge needs.
func (g *eddsaSignGuard) sent(content tsslib.MessageContent) {
	m, ok := content.(*signing.SignRound2Message)
	if !ok {
		return
	}
	parts := m.GetDeCommitment()
	if point, err := g.suite.affinePoint("own nonce", parts[1], parts[2]); err == nil {
		g.partials.nonce(g.self, point)
	}
}

func (g *eddsaSignGuard) check(from int, content tsslib.MessageContent) error {
	switch m := content.(type) {
	case *signing.SignRound1Message:
		return g.round1(from, m)
	case *signing.SignRound2Message:
		return g.round2(from, m)
	case *signing.SignRound3Message:
		return g.round3(from, m)
	}
	return errNoGuard
}

func (g *eddsaSignGuard) round1(from int, m *signing.SignRound1Message) (err error) {
	g.commitments[from], err = readCommitment(m.GetCommitment())
	return err
}

// round2 guards the nonce R_j, whose opening the library does not attribute and
// which it multiplies before it looks whether it is on the curve.
func (g *eddsaSignGuard) round2(from int, m *signing.SignRound2Message) error {
	if err := g.suite.schnorr("proof", m.GetProofAlphaX(), m.GetProofAlphaY(), m.GetProofT()); err != nil {
		return err
	}
	points, err := g.suite.open(g.commitments[from], m.GetDeCommitment(), 1)
	if err == nil {
		g.partials.nonce(from, points[0])
	}
	return err
}

// round3 guards the partial signature, which the library cuts to 32 bytes.
func (g *eddsaSignGuard) round3(from int, m *signing.SignRound3Message) error {
	s, err := g.suite.scalar("S", m.GetS())
	if err != nil {
		return err
	}
	return g.partials.verify(from, s)
}
