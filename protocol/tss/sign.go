package tss

import (
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
)

// signSetup is what a suite's newSign works with.
type signSetup struct {
	share   *Share
	payload []byte
	signers []party // copies with lifted keys, in the library's order
	self    int     // index into signers
	params  *tsslib.Parameters
	out     chan<- tsslib.Message
	end     chan *common.SignatureData
}

// NewSign returns a signer. Its Result holds a signature that has been verified.
//
// ECDSA: GG18 (eprint 2019/114), nine rounds; a digest above the order of the
// curve is reduced, as ECDSA does (SEC 1 §4.1.3), and one that is zero modulo it is
// ErrDigest. EdDSA: three rounds; the signature is that of RFC 8032 for the
// message as given, leading zeros included.
func NewSign(c SignConfig) (protocol.Machine, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	setup, m := newSigner(&c)
	setup.payload = append([]byte(nil), c.Payload...)
	var err error
	if m.runner, err = c.Share.suite.newSign(setup); err != nil {
		return nil, err
	}
	m.runner.party = faulty(m.runner.party, c.Payload)
	return m, nil
}

// newSigner prepares a signer that has no payload and no party of the library yet.
func newSigner(c *SignConfig) (*signSetup, *machine) {
	s := c.Share.suite
	signers := make([]party, len(c.Roster))
	keys := make([]*big.Int, len(c.Roster))
	for i, m := range c.Roster {
		signers[i] = c.Share.parties[c.Share.index(m.Peer)].clone()
		keys[i] = signers[i].key
	}
	keys = liftKeys(keys, c.SID, s.curve.Params().N)
	m := newMachine(s.sign, newRoster(peersOf(c.Roster), keys, c.Self))
	setup := &signSetup{
		share:   c.Share,
		signers: make([]party, len(signers)),
		self:    m.roster.self,
		params:  s.parameters(m.roster, c.Share.threshold),
		out:     m.out,
		end:     make(chan *common.SignatureData, 1),
	}
	for i, p := range signers {
		p.key = keys[i]
		setup.signers[m.roster.by[p.peer].Index] = p
	}
	return setup, m
}

// clone returns a deep copy: the library keeps what it is given, and parts of it
// change points in place.
func (p *party) clone() party {
	c := party{
		peer: p.peer,
		key:  new(big.Int).Set(p.key),
		bigX: crypto.NewECPointNoCurveCheck(p.bigX.Curve(), p.bigX.X(), p.bigX.Y()), // X and Y are copies
	}
	if p.n != nil {
		c.n, c.nTilde = new(big.Int).Set(p.n), new(big.Int).Set(p.nTilde)
		c.h1, c.h2 = new(big.Int).Set(p.h1), new(big.Int).Set(p.h2)
	}
	return c
}

// publicPoint returns a copy of the public key.
func (s *signSetup) publicPoint() *crypto.ECPoint {
	p := s.share.public
	return crypto.NewECPointNoCurveCheck(p.Curve(), p.X(), p.Y())
}
