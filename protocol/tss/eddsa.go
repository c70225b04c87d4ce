package tss

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"fmt"
	"math/big"

	"filippo.io/edwards25519"
	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/eddsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/eddsa/signing"

	"github.com/meshmpc/mpcd/protocol"
)

func eddsaSuite(curve elliptic.Curve) *suite {
	return &suite{
		scheme:      protocol.EdDSA,
		curve:       curve,
		encodePoint: encodeEdPoint,
		decodePoint: decodeEdPoint,
		primeOrder:  edCurve{curve.Params()}.primeOrder,
		newKeygen:   newEdDSAKeygen,
		newSign:     newEdDSASign,
		keygen: newCeremony(
			messageType{content: (*keygen.KGRound1Message)(nil), round: 1, limit: limitKeygen},
			messageType{content: (*keygen.KGRound2Message1)(nil), round: 2, direct: true, limit: limitKeygen},
			messageType{content: (*keygen.KGRound2Message2)(nil), round: 2, limit: limitKeygen},
		).echoAfter(1),
		sign: newCeremony(
			messageType{content: (*signing.SignRound1Message)(nil), round: 1, limit: limitSign},
			messageType{content: (*signing.SignRound2Message)(nil), round: 2, limit: limitSign},
			messageType{content: (*signing.SignRound3Message)(nil), round: 3, limit: limitSign},
		).echoAfter(2),
	}
}

// edLast is L-1, where L is the order of the base point, and edZero is 0.
var (
	edLast = new(edwards25519.Scalar).Subtract(edZero, canonicalScalar([]byte{1}))
	edZero = edwards25519.NewScalar()
)

// primeOrder tells whether a point other than the identity has the order L: L·P is
// the identity when (L-1)·P = -P. The time that it takes depends on the point,
// which is public.
func (c edCurve) primeOrder(x, y *big.Int) bool {
	p := c.point(x, y)
	if p == nil || x.Sign() == 0 {
		return false
	}
	product := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(edLast, p, edZero)
	return product.Equal(p.Negate(p)) == 1
}

// encodeEdPoint is RFC 8032 §5.1.2: y, little-endian, with the sign of x on top.
func encodeEdPoint(x, y *big.Int) []byte {
	le := littleEndian(y.Bytes())
	le[31] |= byte(x.Bit(0) << 7)
	return le[:]
}

// decodeEdPoint is RFC 8032 §5.1.3. It refuses the identity and the non-canonical
// encodings.
func decodeEdPoint(b []byte) (x, y *big.Int, err error) {
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		return nil, nil, err
	}
	if string(p.Bytes()) != string(b) || p.Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, nil, fmt.Errorf("an Ed25519 point must be canonical and not the identity")
	}
	x, y = affine(p)
	return x, y, nil
}

func newEdDSAKeygen(k *keygenSetup) (runner, error) {
	end := make(chan *keygen.LocalPartySaveData, 1)
	convert := func(d *keygen.LocalPartySaveData) (*protocol.Result, error) {
		return keygenResult(k.share(savedKey{xi: d.Xi, ks: d.Ks, bigX: d.BigXj, public: d.EDDSAPub}))
	}
	return runner{
		party:   keygen.NewLocalParty(k.params, k.out, end),
		guard:   eddsaKeygenGuard{newDealings(k)},
		outcome: collect(end, convert),
	}, nil
}

func newEdDSASign(s *signSetup) (runner, error) {
	d := keygen.NewLocalPartySaveData(len(s.signers))
	for i, p := range s.signers {
		d.Ks[i], d.BigXj[i] = p.key, p.bigX
	}
	d.EDDSAPub = s.publicPoint()
	d.Xi, d.ShareID = new(big.Int).Set(s.share.xi), s.signers[s.self].key

	// The length makes the library keep leading zeros.
	message := new(big.Int).SetBytes(s.payload)
	party := signing.NewLocalParty(message, s.params, d, s.out, s.end, len(s.payload))
	return runner{party: party, guard: newEdDSASignGuard(s), outcome: collect(s.end, s.eddsaResult)}, nil
}

// eddsaResult verifies what the library signed, by the standard library.
func (s *signSetup) eddsaResult(d *common.SignatureData) (*protocol.Result, error) {
	if !ed25519.Verify(s.share.PublicKey(), s.payload, d.Signature) {
		return nil, fmt.Errorf("%w: the EdDSA signature is wrong", ErrResult)
	}
	return &protocol.Result{Signature: d.Signature}, nil
}
