package tss

import (
	"crypto/sha512"
	"errors"
	"math/big"

	"filippo.io/edwards25519"
	"github.com/bnb-chain/tss-lib/v2/crypto"
)

// partials verifies the signers' parts of an EdDSA signature. The library adds
// them up and finds only that the sum is wrong; but S_j·B = R_j + h·λ_j·X_j holds
// for each signer by itself, where R_j is the nonce that it has opened, λ_j its
// Lagrange coefficient and h = SHA-512(R ‖ A ‖ M) (RFC 8032 §5.1.6). So a wrong
// part has an author.
type partials struct {
	setup  *signSetup
	curve  edCurve
	nonces []*edwards25519.Point // R_j, own included
	h      *edwards25519.Scalar  // nil until the first part arrives
}

func newPartials(s *signSetup) *partials {
	return &partials{setup: s, curve: edCurve{s.share.suite.curve.Params()}, nonces: make([]*edwards25519.Point, len(s.signers))}
}

// nonce takes the point that a signer has opened.
func (p *partials) nonce(from int, r *crypto.ECPoint) {
	p.nonces[from] = p.curve.point(r.X(), r.Y())
}

var errPartial = errors.New("the part S does not fit the nonce and the share of its sender")

// verify checks the part of one signer; all nonces are known.
func (p *partials) verify(from int, s *big.Int) error {
	if p.h == nil {
		p.challenge()
	}
	x := p.setup.signers[from].bigX
	minus := edwards25519.NewScalar().Multiply(p.h, p.coefficient(from))
	minus.Negate(minus)
	nonce := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(minus, p.curve.point(x.X(), x.Y()), canonicalScalar(s.Bytes()))
	if nonce.Equal(p.nonces[from]) != 1 {
		return errPartial
	}
	return nil
}

// challenge computes h.
func (p *partials) challenge() {
	sum := edwards25519.NewIdentityPoint()
	for _, r := range p.nonces {
		sum.Add(sum, r)
	}
	hash := sha512.New()
	hash.Write(sum.Bytes())
	hash.Write(p.setup.share.PublicKey())
	hash.Write(p.setup.payload)
	p.h, _ = edwards25519.NewScalar().SetUniformBytes(hash.Sum(nil)) // it has 64 bytes
}

// coefficient is λ_j = Π k_m / (k_m - k_j) over the other signers m, modulo q.
func (p *partials) coefficient(j int) *edwards25519.Scalar {
	q, own := p.curve.params.N, p.setup.signers[j].key
	above, below := big.NewInt(1), big.NewInt(1)
	for m := range p.setup.signers {
		if m == j {
			continue
		}
		key := p.setup.signers[m].key
		above.Mod(above.Mul(above, key), q)
		below.Mod(below.Mul(below, new(big.Int).Sub(key, own)), q)
	}
	above.Mul(above, below.ModInverse(below, q))
	return canonicalScalar(above.Mod(above, q).Bytes())
}
