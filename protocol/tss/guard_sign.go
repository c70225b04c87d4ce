package tss

import (
	"errors"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
)

// ecdsaSignGuard guards an ECDSA signing. Rounds 1 and 2 convert products of
// secrets to sums with Paillier's encryption (guard_proofs.go); the rest are
// scalars, and points behind commitments.
type ecdsaSignGuard struct {
	suite   *suite
	ranges  *ranges
	self    int
	signers []party

	// Commitments by sender: to Γ_j (round 1), to V_j and A_j (5), to U_j and T_j (7).
	gammas, proofs, checks []*big.Int

	theta *big.Int // the sum of all θ_j so far, modulo q
	left  int      // how many of them are missing
}

func newECDSASignGuard(s *signSetup) *ecdsaSignGuard {
	n := len(s.signers)
	return &ecdsaSignGuard{
		suite:   s.share.suite,
		ranges:  newRanges(s.share.suite.curve.Params().N),
		self:    s.self,
		signers: s.signers,
		gammas:  make([]*big.Int, n),
		proofs:  make([]*big.Int, n),
		checks:  make([]*big.Int, n),
		theta:   new(big.Int),
		left:    n,
	}
}

// sent sees the own θ, which the sum of round 3 needs.
func (g *ecdsaSignGuard) sent(content tsslib.MessageContent) {
	if m, ok := content.(*signing.SignRound3Message); ok {
		g.addTheta(new(big.Int).SetBytes(m.GetTheta()))
	}
}

func (g *ecdsaSignGuard) check(from int, content tsslib.MessageContent) (err error) {
	switch m := content.(type) {
	case *signing.SignRound1Message1:
		return g.ranges.alice(m, &g.signers[from], &g.signers[g.self])
	case *signing.SignRound1Message2:
		g.gammas[from], err = readCommitment(m.GetCommitment())
	case *signing.SignRound2Message:
		return g.round2(m)
	case *signing.SignRound3Message:
		return g.round3(from, m)
	case *signing.SignRound4Message:
		return g.round4(from, m)
	case *signing.SignRound5Message:
		g.proofs[from], err = readCommitment(m.GetCommitment())
	case *signing.SignRound6Message:
		return g.round6(from, m)
	case *signing.SignRound7Message:
		g.checks[from], err = readCommitment(m.GetCommitment())
	case *signing.SignRound8Message:
		_, err = g.suite.open(g.checks[from], m.GetDeCommitment(), 2)
	case *signing.SignRound9Message:
		_, err = g.suite.scalar("S", m.GetS())
	default:
		return errNoGuard
	}
	return err
}

// round2 guards the answers to this party's two ciphertexts, which are under its
// own modulus.
func (g *ecdsaSignGuard) round2(m *signing.SignRound2Message) error {
	own := &g.signers[g.self]
	if _, err := g.ranges.bob("ProofBob", m.GetC1(), m.GetProofBob(), own); err != nil {
		return err
	}
	return g.ranges.bobWithCheck(g.suite, m.GetC2(), m.GetProofBobWc(), own)
}

var errTheta = errors.New("the θ of all signers add up to zero")

// round3 guards θ_j, which the library adds and inverts modulo q; it panics where
// there is no inverse. The sum vanishes by chance with a probability of 1/q, and
// who chose θ last made it so. With one other signer that is the sender. With
// more, the order of arrival is not the order of sending.
func (g *ecdsaSignGuard) round3(from int, m *signing.SignRound3Message) error {
	theta, err := g.suite.scalar("θ", m.GetTheta())
	if err != nil {
		return err
	}
	g.addTheta(theta)
	switch {
	case g.left > 0 || g.theta.Sign() != 0:
		return nil
	case len(g.signers) == 2:
		return errTheta
	}
	return &verdict{err: errTheta}
}

func (g *ecdsaSignGuard) addTheta(theta *big.Int) {
	g.theta.Add(g.theta, theta)
	g.theta.Mod(g.theta, g.suite.curve.Params().N)
	g.left--
}

// round4 guards Γ_j = γ_j·G and the proof of γ_j.
func (g *ecdsaSignGuard) round4(from int, m *signing.SignRound4Message) error {
	if err := g.suite.schnorr("proof", m.GetProofAlphaX(), m.GetProofAlphaY(), m.GetProofT()); err != nil {
		return err
	}
	_, err := g.suite.open(g.gammas[from], m.GetDeCommitment(), 1)
	return err
}

// round6 guards V_j and A_j with their proofs.
func (g *ecdsaSignGuard) round6(from int, m *signing.SignRound6Message) error {
	if err := g.suite.schnorr("proof", m.GetProofAlphaX(), m.GetProofAlphaY(), m.GetProofT()); err != nil {
		return err
	}
	if err := g.suite.schnorr("V proof", m.GetVProofAlphaX(), m.GetVProofAlphaY(), m.GetVProofT(), m.GetVProofU()); err != nil {
		return err
	}
	_, err := g.suite.open(g.proofs[from], m.GetDeCommitment(), 2)
	return err
}
