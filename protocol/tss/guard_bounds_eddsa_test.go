package tss_test

import (
	"crypto/elliptic"
	"math/big"
	"slices"

	"filippo.io/edwards25519"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	eckeygen "github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/eddsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/eddsa/signing"
	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/protocol/tss"
)

func eddsaKeygenFields(s *scene) []field {
	type (
		m1 = *keygen.KGRound1Message
		m2 = *keygen.KGRound2Message2
	)
	commitment := func(m m1) *[]byte { return &m.Commitment }
	return []field{
		hashed("commitment", commitment),
		opening("opening", commitment, func(m m2) [][]byte { return m.DeCommitment }),
		shareField(s, single(func(m *keygen.KGRound2Message1) *[]byte { return &m.Share }), tss.Curves()["ours"]),
		edY("alpha", func(m m2) (x, y *[]byte) { return &m.ProofAlphaX, &m.ProofAlphaY }),
		plain("T", single(func(m m2) *[]byte { return &m.ProofT }), big.NewInt(1), below(edOrder)),
	}
}

// eddsaSignFields are those of rounds 1 and 2. That of round 3, S, must fit an equation:
// TestExactPartial.
func eddsaSignFields(*scene) []field {
	type (
		m1 = *signing.SignRound1Message
		m2 = *signing.SignRound2Message
	)
	commitment := func(m m1) *[]byte { return &m.Commitment }
	return []field{
		hashed("commitment", commitment),
		opening("opening", commitment, func(m m2) [][]byte { return m.DeCommitment }),
		edY("alpha", func(m m2) (x, y *[]byte) { return &m.ProofAlphaX, &m.ProofAlphaY }),
		plain("T", single(func(m m2) *[]byte { return &m.ProofT }), big.NewInt(1), below(edOrder)),
	}
}

// edX returns the x-coordinate of a point with this y, modulo p; nil without one.
func edX(y *big.Int) *big.Int {
	v := new(big.Int).Mod(y, tss.Curves()["ours"].Params().P)
	b := v.FillBytes(make([]byte, 32))
	slices.Reverse(b) // RFC 8032 §5.1.2
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		return nil
	}
	x, _ := tss.Affine(p)
	return x
}

// edY makes the field of the y-coordinate of a point whose x is not zero.
func edY[M proto.Message](name string, at func(M) (x, y *[]byte)) field {
	p := tss.Curves()["ours"].Params().P
	point := func(y *big.Int) bool { x := edX(y); return x != nil && x.Sign() != 0 }
	f := plain(name, single(func(m M) *[]byte { _, y := at(m); return y }), big.NewInt(1), below(p))
	for !point(f.min) {
		f.min = new(big.Int).Add(f.min, big.NewInt(1))
	}
	for !point(f.max) {
		f.max = below(f.max)
	}
	f.less, f.more = new(big.Int), new(big.Int).Add(p, f.min)
	f.fit = func(_ *scene, content proto.Message, value *big.Int) {
		if m, ok := content.(M); ok {
			x, _ := at(m)
			*x = edX(value).Bytes()
		}
	}
	return f
}

// shareField makes the field of alice's share. It lies on the polynomial a + 7·x that bob
// commits to.
func shareField(s *scene, at func(proto.Message) *[]byte, curve elliptic.Curve) field {
	_, _, ids := tss.Library(s.machine())
	id := ids[slices.IndexFunc(ids, func(id *tsslib.PartyID) bool { return id.Id == "alice" })].KeyInt()
	f := plain("share", at, big.NewInt(1), below(curve.Params().N))
	f.fit = func(_ *scene, content proto.Message, value *big.Int) {
		slope := big.NewInt(7)
		constant := new(big.Int).Sub(value, product(slope, id))
		v0 := crypto.ScalarBaseMult(curve, constant.Mod(constant, curve.Params().N))
		v1 := crypto.ScalarBaseMult(curve, slope)
		parts := [][]byte{{1}, v0.X().Bytes(), v0.Y().Bytes(), v1.X().Bytes(), v1.Y().Bytes()}
		switch m := content.(type) {
		case *eckeygen.KGRound1Message:
			m.Commitment = commitTo(parts)
		case *eckeygen.KGRound2Message2:
			m.DeCommitment = parts
		case *keygen.KGRound1Message:
			m.Commitment = commitTo(parts)
		case *keygen.KGRound2Message2:
			m.DeCommitment = parts
		}
	}
	return f
}
