package tss

import (
	"crypto/elliptic"
	"fmt"
	"math/big"

	"github.com/bnb-chain/tss-lib/v2/common"
	"github.com/bnb-chain/tss-lib/v2/crypto"
	"github.com/bnb-chain/tss-lib/v2/crypto/paillier"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/keygen"
	"github.com/bnb-chain/tss-lib/v2/ecdsa/signing"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/protocol"
)

func ecdsaSuite(curve elliptic.Curve) *suite {
	return &suite{
		scheme:      protocol.ECDSA,
		curve:       curve,
		encodePoint: func(x, y *big.Int) []byte { return secpKey(x, y).SerializeCompressed() },
		decodePoint: func(b []byte) (x, y *big.Int, err error) {
			key, err := parseSecpKey(b)
			if err != nil {
				return nil, nil, err
			}
			return key.X(), key.Y(), nil
		},
		primeOrder: func(_, _ *big.Int) bool { return true }, // the cofactor is 1
		newKeygen:  newECDSAKeygen,
		newSign:    newECDSASign,
		keygen: newCeremony(
			messageType{content: (*keygen.KGRound1Message)(nil), round: 1, limit: limitRound1},
			messageType{content: (*keygen.KGRound2Message1)(nil), round: 2, direct: true, limit: limitKeygen},
			messageType{content: (*keygen.KGRound2Message2)(nil), round: 2, limit: limitDecommit},
			messageType{content: (*keygen.KGRound3Message)(nil), round: 3, limit: limitKeygen},
		).echoAfter(1),
		sign: newCeremony(
			messageType{content: (*signing.SignRound1Message1)(nil), round: 1, direct: true, limit: limitSign},
			messageType{content: (*signing.SignRound1Message2)(nil), round: 1, limit: limitSign},
			messageType{content: (*signing.SignRound2Message)(nil), round: 2, direct: true, limit: limitSign},
			messageType{content: (*signing.SignRound3Message)(nil), round: 3, limit: limitSign},
			messageType{content: (*signing.SignRound4Message)(nil), round: 4, limit: limitSign},
			messageType{content: (*signing.SignRound5Message)(nil), round: 5, limit: limitSign},
			messageType{content: (*signing.SignRound6Message)(nil), round: 6, limit: limitSign},
			messageType{content: (*signing.SignRound7Message)(nil), round: 7, limit: limitSign},
			messageType{content: (*signing.SignRound8Message)(nil), round: 8, limit: limitSign},
			messageType{content: (*signing.SignRound9Message)(nil), round: 9, limit: limitSign},
		).echoAfter(3, 8),
	}
}

// secpKey makes a key of coordinates on the curve.
func secpKey(x, y *big.Int) *secp256k1.PublicKey {
	var fx, fy secp256k1.FieldVal
	fx.SetByteSlice(x.Bytes())
	fy.SetByteSlice(y.Bytes())
	return secp256k1.NewPublicKey(&fx, &fy)
}

// parseSecpKey reads the compressed form of SEC 1 §2.3.3 only.
func parseSecpKey(b []byte) (*secp256k1.PublicKey, error) {
	if len(b) != secp256k1.PubKeyBytesLenCompressed {
		return nil, fmt.Errorf("a compressed secp256k1 point has %d bytes, not %d", secp256k1.PubKeyBytesLenCompressed, len(b))
	}
	return secp256k1.ParsePubKey(b)
}

func newECDSAKeygen(k *keygenSetup) (runner, error) {
	if err := k.config.PreParams.Validate(); err != nil {
		return runner{}, err
	}
	pre, err := k.config.PreParams.take()
	if err != nil {
		return runner{}, err
	}
	end := make(chan *keygen.LocalPartySaveData, 1)
	convert := func(d *keygen.LocalPartySaveData) (*protocol.Result, error) {
		s := k.share(savedKey{xi: d.Xi, ks: d.Ks, bigX: d.BigXj, public: d.ECDSAPub})
		for i := range s.parties {
			p := &s.parties[i]
			j := k.roster.by[p.peer].Index
			p.n, p.nTilde, p.h1, p.h2 = d.PaillierPKs[j].N, d.NTildej[j], d.H1j[j], d.H2j[j]
		}
		s.p, s.q = d.PaillierSK.P, d.PaillierSK.Q
		return keygenResult(s)
	}
	return runner{
		party:   keygen.NewLocalParty(k.params, k.out, end, pre),
		guard:   newECDSAKeygenGuard(k, &pre),
		outcome: collect(end, convert),
	}, nil
}

func newECDSASign(s *signSetup) (runner, error) {
	digest, err := s.digest(s.payload)
	if err != nil {
		return runner{}, err
	}
	return ecdsaSigner(s, digest), nil
}

// digest returns what ECDSA signs for a digest of 32 bytes (SEC 1 §4.1.3).
func (s *signSetup) digest(payload []byte) (*big.Int, error) {
	if len(payload) != protocol.DigestSize {
		return nil, fmt.Errorf("%w: an ECDSA digest has %d bytes, not %d", ErrConfig, protocol.DigestSize, len(payload))
	}
	digest := new(big.Int).SetBytes(payload)
	digest.Mod(digest, s.share.suite.curve.Params().N)
	if digest.Sign() == 0 {
		return nil, fmt.Errorf("%w: %w", ErrConfig, ErrDigest)
	}
	return digest, nil
}

// ecdsaSaveData returns what the library saved at keygen, for the signers only.
func (s *signSetup) ecdsaSaveData() keygen.LocalPartySaveData {
	d := keygen.NewLocalPartySaveData(len(s.signers))
	for i, p := range s.signers {
		d.Ks[i], d.BigXj[i] = p.key, p.bigX
		d.NTildej[i], d.H1j[i], d.H2j[i] = p.nTilde, p.h1, p.h2
		d.PaillierPKs[i] = &paillier.PublicKey{N: p.n}
	}
	d.ECDSAPub = s.publicPoint()
	d.Xi, d.ShareID = new(big.Int).Set(s.share.xi), s.signers[s.self].key
	d.PaillierSK = paillierKey(s.share.p, s.share.q)
	d.NTildei, d.H1i, d.H2i = d.NTildej[s.self], d.H1j[s.self], d.H2j[s.self]
	return d
}

// ecdsaResult verifies what the library signed: for this digest and key, with a
// low s (BIP 62) and a recovery id that gives the key back (SEC 1 §4.1.6).
func (s *signSetup) ecdsaResult(d *common.SignatureData) (*protocol.Result, error) {
	if len(d.Signature) != 64 || len(d.SignatureRecovery) != 1 || d.SignatureRecovery[0] > 3 {
		return nil, fmt.Errorf("%w: the signature has a wrong form", ErrResult)
	}
	result := &protocol.Result{Signature: d.Signature, Recovery: d.SignatureRecovery[0]}
	if err := verifyECDSA(s.share.public, s.payload, result); err != nil {
		return nil, err
	}
	return result, nil
}

// verifyECDSA verifies a signature by the key that it recovers to, which is the right one
// only if the signature is right (SEC 1 §4.1.6).
func verifyECDSA(public *crypto.ECPoint, digest []byte, result *protocol.Result) error {
	var r, sc secp256k1.ModNScalar
	if r.SetByteSlice(result.Signature[:32]) || sc.SetByteSlice(result.Signature[32:]) || sc.IsOverHalfOrder() {
		return fmt.Errorf("%w: r or s is out of range", ErrResult)
	}
	const compact = 27 // the header byte of the compact form, for an uncompressed key
	recovered, _, err := ecdsa.RecoverCompact(append([]byte{compact + result.Recovery}, result.Signature...), digest)
	if err != nil || !recovered.IsEqual(secpKey(public.X(), public.Y())) {
		return fmt.Errorf("%w: the ECDSA signature is wrong, or its recovery id %d is", ErrResult, result.Recovery)
	}
	return nil
}
