package tss

import (
	"crypto/elliptic"
	"math/big"

	"filippo.io/edwards25519"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

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

// noGuard lets everything pass.
type noGuard struct{}

func (noGuard) check(int, tsslib.MessageContent) error { return nil }
func (noGuard) sent(tsslib.MessageContent)             {}

// Unguard leaves the library alone with what its peers send.
func Unguard(m protocol.Machine) { m.(*machine).runner.guard = noGuard{} }

// Idle leaves the guard alone: the library's party is replaced by one that takes
// everything and sends nothing, and whose result is empty.
func Idle(m protocol.Machine) {
	mm := m.(*machine)
	mm.runner.party = idleParty{mm.runner.party}
	mm.runner.outcome = func() (*protocol.Result, error) {
		if mm.round < mm.ceremony.rounds || len(mm.waiting) > 0 {
			return nil, nil
		}
		return &protocol.Result{}, nil
	}
}

type idleParty struct{ tsslib.Party }

func (idleParty) Start() *tsslib.Error                              { return nil }
func (idleParty) Update(tsslib.ParsedMessage) (bool, *tsslib.Error) { return true, nil }

// Sent shows an idle machine's guard what its party sends.
func Sent(m protocol.Machine, content proto.Message) {
	m.(*machine).runner.guard.sent(content.(tsslib.MessageContent))
}

// Moduli returns N, Ñ, h1 and h2 of a party of a key.
func Moduli(s *Share, peer protocol.PeerID) (n, nTilde, h1, h2 *big.Int) {
	p := s.parties[s.index(peer)]
	return p.n, p.nTilde, p.h1, p.h2
}

// Affine returns the coordinates of a point.
func Affine(p *edwards25519.Point) (x, y *big.Int) { return affine(p) }

// ErrJacobi is what the guard says to a forged proof of the modulus.
var ErrJacobi = errJacobi

// Library returns the library's party of a machine with what it sends, and the
// ids of its roster.
func Library(m protocol.Machine) (tsslib.Party, <-chan tsslib.Message, tsslib.SortedPartyIDs) {
	mm := m.(*machine)
	return mm.runner.party, mm.out, mm.roster.ids
}
