package protocol

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ApprovalType is the JWS header "typ" of an approval.
const ApprovalType = "mpc-approval+jwt"

// Bounds of an approval's life, and the difference of clocks that is forgiven.
const (
	MaxApprovalLife = 24 * time.Hour
	MaxClockSkew    = 30 * time.Second
)

// ErrApproval reports approvals that do not authorise a session; the message
// says why.
var ErrApproval = errors.New("not authorised")

// Approval is what an approver signs: a compact JWS (RFC 7515, EdDSA or ES256)
// over these claims as JSON. It binds one request to one key, path and digest.
type Approval struct {
	Network   string   `json:"aud"`
	Operation Kind     `json:"op"`
	Account   string   `json:"sub"`
	Key       string   `json:"key"`
	Epoch     uint32   `json:"epoch"`
	Path      []uint32 `json:"path"`   // [] when the key itself signs
	Digest    string   `json:"digest"` // hex: the ECDSA digest, or SHA-256 of the EdDSA message
	Request   string   `json:"jti"`    // the API's session id
	NotBefore int64    `json:"nbf"`    // Unix seconds
	Expires   int64    `json:"exp"`    // Unix seconds; bounds acceptance, not completion
}

// ApprovalFor returns the approval that spec needs, valid from now for life.
func ApprovalFor(s *Spec, now time.Time, life time.Duration) Approval {
	return Approval{
		Network: s.Network, Operation: s.Kind, Account: s.Account, Key: s.Key, Epoch: s.Epoch,
		Path: append([]uint32{}, s.Path...), Digest: approvalDigest(s), Request: s.Session,
		NotBefore: now.Unix(), Expires: now.Add(life).Unix(),
	}
}

func approvalDigest(s *Spec) string {
	if s.Scheme == ECDSA {
		return hex.EncodeToString(s.Payload)
	}
	sum := sha256.Sum256(s.Payload)
	return hex.EncodeToString(sum[:])
}

// ApproverKey returns a public key in the form that Approvers lists, and refuses
// kinds of keys that cannot approve.
func ApproverKey(pub crypto.PublicKey) ([]byte, error) {
	if _, err := approvalAlgorithm(pub); err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(pub)
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

// SignApproval signs a with an ed25519.PrivateKey or a P-256 *ecdsa.PrivateKey.
// The header's kid names the key: SHA-256 of its SubjectPublicKeyInfo in hex.
func SignApproval(key crypto.Signer, a Approval) (string, error) {
	alg, err := approvalAlgorithm(key.Public())
	if err != nil {
		return "", err
	}
	spki, err := ApproverKey(key.Public())
	if err != nil {
		return "", err
	}
	opts := (&jose.SignerOptions{}).WithType(ApprovalType).WithHeader("kid", keyID(spki))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		return "", fmt.Errorf("approval: %w", err)
	}
	claims, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("approval: %w", err)
	}
	jws, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("approval: %w", err)
	}
	return jws.CompactSerialize()
}

func keyID(spki []byte) string {
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])
}

// Authorise checks that spec carries valid approvals of at least M distinct
// approvers, each for exactly this spec. The approvers are the ones that the
// key's record fixes, never the ones that the spec claims. It returns when the
// last approval stops being acceptable: until then a party must remember the
// request, so that it cannot be replayed.
func Authorise(s *Spec, approvers Approvers, now time.Time) (until time.Time, err error) {
	if approvers.M < 1 || len(approvers.Keys) < approvers.M {
		return until, fmt.Errorf("%w: the key names no approvers", ErrApproval)
	}
	if len(s.Authorisation) > len(approvers.Keys) {
		return until, fmt.Errorf("%w: more approvals than approvers", ErrApproval)
	}
	valid := make(map[string]bool)
	for _, token := range s.Authorisation {
		kid, a, err := openApproval(approvers, token)
		if err != nil {
			return until, err
		}
		if err := a.check(s, now); err != nil {
			return until, err
		}
		valid[kid] = true
		if end := time.Unix(a.Expires, 0).Add(MaxClockSkew); end.After(until) {
			until = end
		}
	}
	if len(valid) < approvers.M {
		return until, fmt.Errorf("%w: %d of %d approvals are there", ErrApproval, len(valid), approvers.M)
	}
	return until, nil
}

// openApproval verifies a token's signature by one of the approvers.
func openApproval(approvers Approvers, token string) (kid string, a Approval, err error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		return "", a, fmt.Errorf("%w: malformed approval: %w", ErrApproval, err)
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders[jose.HeaderType].(string); typ != ApprovalType {
		return "", a, fmt.Errorf("%w: the token is no approval: its type must be %s", ErrApproval, ApprovalType)
	}
	key, err := approvers.find(header.KeyID)
	if err != nil {
		return "", a, err
	}
	claims, err := jws.Verify(key)
	if err != nil {
		return "", a, fmt.Errorf("%w: approval: %w", ErrApproval, ErrSignature)
	}
	dec := json.NewDecoder(bytes.NewReader(claims))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		return "", a, fmt.Errorf("%w: malformed approval: %w", ErrApproval, err)
	}
	return header.KeyID, a, nil
}

func (a Approvers) find(kid string) (crypto.PublicKey, error) {
	for _, spki := range a.Keys {
		if keyID(spki) == kid {
			key, err := x509.ParsePKIXPublicKey(spki)
			if err != nil {
				return nil, fmt.Errorf("%w: approver key %s: %w", ErrApproval, kid, err)
			}
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: key %q is no approver of this account", ErrApproval, kid)
}

// check compares every claim with the spec and the clock.
func (a Approval) check(s *Spec, now time.Time) error {
	want := ApprovalFor(s, time.Unix(a.NotBefore, 0), time.Duration(a.Expires-a.NotBefore)*time.Second)
	var wrong []string
	for name, same := range map[string]bool{
		"aud": a.Network == want.Network, "op": a.Operation == want.Operation, "sub": a.Account == want.Account,
		"key": a.Key == want.Key, "epoch": a.Epoch == want.Epoch, "digest": a.Digest == want.Digest,
		"jti": a.Request == want.Request, "path": slices.Equal(a.Path, want.Path),
	} {
		if !same {
			wrong = append(wrong, name)
		}
	}
	switch life := time.Duration(a.Expires-a.NotBefore) * time.Second; {
	case len(wrong) > 0:
		slices.Sort(wrong)
		return fmt.Errorf("%w: the approval is for another request (%s)", ErrApproval, strings.Join(wrong, ", "))
	case a.Expires <= a.NotBefore || a.Expires-a.NotBefore > int64(MaxApprovalLife/time.Second):
		return fmt.Errorf("%w: an approval lives at most %v, not %v", ErrApproval, MaxApprovalLife, life)
	case now.Before(time.Unix(a.NotBefore, 0).Add(-MaxClockSkew)):
		return fmt.Errorf("%w: the approval is not valid before %s; compare the clocks", ErrApproval, time.Unix(a.NotBefore, 0).UTC().Format(time.RFC3339))
	case now.After(time.Unix(a.Expires, 0).Add(MaxClockSkew)):
		return fmt.Errorf("%w: the approval expired at %s", ErrApproval, time.Unix(a.Expires, 0).UTC().Format(time.RFC3339))
	}
	return nil
}
