package protocol

import (
	"crypto/ed25519"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// SignatureSize is the size of every signature: r ‖ s, or R ‖ S.
const SignatureSize = 64

// VerifySignature checks a session's signature against the key's public key
// (33 bytes SEC 1 compressed, or 32 bytes RFC 8032) with code that shares
// nothing with the ceremony. An ECDSA signature must have s ≤ q/2 (BIP 62).
func VerifySignature(scheme Scheme, publicKey, payload, sig []byte) error {
	if len(sig) != SignatureSize {
		return fmt.Errorf("%w: it has %d bytes, not %d", ErrSignature, len(sig), SignatureSize)
	}
	switch scheme {
	case ECDSA:
		return verifyECDSA(publicKey, payload, sig)
	case EdDSA:
		if len(publicKey) != ed25519.PublicKeySize {
			return fmt.Errorf("public key has %d bytes, not %d", len(publicKey), ed25519.PublicKeySize)
		}
		if !ed25519.Verify(publicKey, payload, sig) {
			return ErrSignature
		}
		return nil
	}
	return ErrScheme
}

func verifyECDSA(publicKey, digest, sig []byte) error {
	if len(publicKey) != secp256k1.PubKeyBytesLenCompressed { // the library also reads longer forms of the same key
		return fmt.Errorf("public key has %d bytes, not %d", len(publicKey), secp256k1.PubKeyBytesLenCompressed)
	}
	pub, err := secp256k1.ParsePubKey(publicKey)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	if len(digest) != DigestSize {
		return fmt.Errorf("%w: the digest has %d bytes, not %d", ErrSignature, len(digest), DigestSize)
	}
	var r, s secp256k1.ModNScalar
	if r.SetByteSlice(sig[:32]) || s.SetByteSlice(sig[32:]) || r.IsZero() || s.IsZero() {
		return fmt.Errorf("%w: r or s is out of range", ErrSignature)
	}
	if s.IsOverHalfOrder() {
		return fmt.Errorf("%w: s is above q/2", ErrSignature)
	}
	if !ecdsa.NewSignature(&r, &s).Verify(digest, pub) {
		return ErrSignature
	}
	return nil
}
