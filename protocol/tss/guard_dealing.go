package tss

import (
	"errors"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/crypto/vss"
)

// dealings guards the secret sharing that the keygens of both schemes have in
// common: every member commits to a polynomial of degree t-1 (round 1), opens the
// commitment, and deals every other member a share of it (round 2, in either
// order). Feldman, "A practical scheme for non-interactive verifiable secret
// sharing", 1987.
type dealings struct {
	suite   *suite
	id      *big.Int // where this party's share lies on the polynomials
	signers int      // t, the number of coefficients

	commitments  []*big.Int
	coefficients []vss.Vs
	shares       []*big.Int
}

func newDealings(k *keygenSetup) *dealings {
	n := len(k.roster.ids)
	return &dealings{
		suite:        k.suite,
		id:           k.roster.ids[k.roster.self].KeyInt(),
		signers:      k.config.Threshold,
		commitments:  make([]*big.Int, n),
		coefficients: make([]vss.Vs, n),
		shares:       make([]*big.Int, n),
	}
}

// commit takes a commitment of round 1.
func (d *dealings) commit(from int, b []byte) (err error) {
	d.commitments[from], err = readCommitment(b)
	return err
}

// open takes the coefficients, times G. The library panics on too few of them and
// ignores those beyond.
func (d *dealings) open(from int, parts [][]byte) (err error) {
	if d.coefficients[from], err = d.suite.open(d.commitments[from], parts, d.signers); err != nil {
		return err
	}
	return d.verify(from)
}

// deal takes this party's share.
func (d *dealings) deal(from int, b []byte) (err error) {
	if d.shares[from], err = d.suite.scalar("share", b); err != nil {
		return err
	}
	return d.verify(from)
}

var errShare = errors.New("the share is not on the polynomial that was committed to")

// verify checks share·G = Σ V_c·id^c as soon as both sides are known.
func (d *dealings) verify(from int) error {
	if d.shares[from] == nil || d.coefficients[from] == nil {
		return nil
	}
	share := vss.Share{Threshold: d.signers - 1, ID: d.id, Share: d.shares[from]}
	if !share.Verify(d.suite.curve, d.signers-1, d.coefficients[from]) {
		return errShare
	}
	return nil
}
