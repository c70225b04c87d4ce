package tss

import (
	"crypto/elliptic"

	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
)

// NewStockKeygen is NewKeygen for EdDSA on the library's own curve.
func NewStockKeygen(c KeygenConfig) (protocol.Machine, error) {
	return eddsaSuite(tsslib.Edwards()).keygenMachine(c)
}

// LibraryPreParams returns what the library takes.
func LibraryPreParams(p *PreParams) keygen.LocalPreParams { return p.params }

// Curves returns the two implementations of Ed25519.
func Curves() map[string]elliptic.Curve {
	return map[string]elliptic.Curve{"ours": newEdCurve(), "stock": tsslib.Edwards()}
}

// OnStockCurve returns an EdDSA share that signs on the library's own curve.
func OnStockCurve(s *Share) *Share {
	suite := eddsaSuite(tsslib.Edwards())
	c := *s
	c.suite = suite
	c.public = crypto.NewECPointNoCurveCheck(suite.curve, s.public.X(), s.public.Y())
	c.parties = make([]party, len(s.parties))
	for i := range s.parties {
		p := s.parties[i].clone()
		p.bigX.SetCurve(suite.curve)
		c.parties[i] = p
	}
	return &c
}

// Kill replaces the library's party by one that panics.
func Kill(m protocol.Machine) {
	mm, ok := m.(*machine)
	if !ok {
		panic("not a machine of this package")
	}
	mm.runner.party = panickyParty{mm.runner.party}
}

type panickyParty struct{ tsslib.Party }

func (panickyParty) Start() *tsslib.Error                              { panic("injected") }
func (panickyParty) Update(tsslib.ParsedMessage) (bool, *tsslib.Error) { panic("injected") }
