package protocol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// MaxApprovers bounds the approvers of a key.
const MaxApprovers = 32

// Approvers are the public keys that authorise signing with a key: M valid
// approvals of distinct Keys are needed. Keys are SubjectPublicKeyInfo (RFC
// 5280) in DER, Ed25519 or P-256. They are fixed at keygen.
type Approvers struct {
	M    int      `cbor:"1,keyasint"`
	Keys [][]byte `cbor:"2,keyasint"`
}

// Hash identifies the approvers inside records and certificates.
func (a Approvers) Hash() [32]byte {
	b, err := Marshal(a)
	if err != nil {
		return [32]byte{} // cannot happen: see Marshal
	}
	return hash("mpc/approvers/v1", b)
}

// Validate checks that M of the keys can approve: 1 ≤ M ≤ number of keys ≤
// MaxApprovers, every key of a kind that can sign approvals, none twice. A key
// whose approvers break this could never be used.
func (a Approvers) Validate() error {
	if a.M < 1 || a.M > len(a.Keys) || len(a.Keys) > MaxApprovers {
		return fmt.Errorf("approvers: %d of %d keys is not possible: use 1 ≤ m ≤ k ≤ %d", a.M, len(a.Keys), MaxApprovers)
	}
	seen := make(map[string]bool)
	for i, spki := range a.Keys {
		if _, err := parseApproverKey(spki); err != nil {
			return fmt.Errorf("approver key %d: %w", i, err)
		}
		if seen[string(spki)] {
			return fmt.Errorf("approver key %d is listed twice", i)
		}
		seen[string(spki)] = true
	}
	return nil
}

// find returns the approver's key that kid names.
func (a Approvers) find(kid string) (crypto.PublicKey, error) {
	for _, spki := range a.Keys {
		if keyID(spki) == kid {
			key, err := parseApproverKey(spki)
			if err != nil {
				return nil, fmt.Errorf("%w: approver key %s: %w", ErrApproval, kid, err)
			}
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: key %q is no approver of this account", ErrApproval, kid)
}

// ApproverKey returns a public key in the form that Approvers lists, and refuses
// kinds of keys that cannot approve.
func ApproverKey(pub crypto.PublicKey) ([]byte, error) {
	if _, err := approvalAlgorithm(pub); err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(pub)
}

func parseApproverKey(spki []byte) (crypto.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	_, err = approvalAlgorithm(key) // ES256 over another curve would verify, too
	return key, err
}

func approvalAlgorithm(pub crypto.PublicKey) (jose.SignatureAlgorithm, error) {
	switch k := pub.(type) {
	case ed25519.PublicKey:
		return jose.EdDSA, nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return jose.ES256, nil
		}
	}
	return "", fmt.Errorf("approver key: use Ed25519 or ECDSA P-256, not %T", pub)
}

// ApproverID returns the key id of an approver, which approvals carry as kid:
// SHA-256 of its SubjectPublicKeyInfo in hex.
func ApproverID(spki []byte) string { return keyID(spki) }

func keyID(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}
