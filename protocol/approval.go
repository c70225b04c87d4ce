package protocol

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
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
	if err := a.decode(claims); err != nil {
		return "", a, fmt.Errorf("%w: malformed approval: %w", ErrApproval, err)
	}
	return header.KeyID, a, nil
}

// PeekApproval returns the key id that an approval names and when it expires,
// unverified.
func PeekApproval(token string) (kid string, expires time.Time, err error) {
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		return "", expires, fmt.Errorf("%w: malformed approval: %w", ErrApproval, err)
	}
	var a Approval
	if err := a.decode(jws.UnsafePayloadWithoutVerification()); err != nil {
		return "", expires, fmt.Errorf("%w: malformed approval: %w", ErrApproval, err)
	}
	return jws.Signatures[0].Protected.KeyID, time.Unix(a.Expires, 0), nil
}

// claimNames are all claims of an approval; each must be there.
var claimNames = []string{"aud", "op", "sub", "key", "epoch", "path", "digest", "jti", "nbf", "exp"}

// decode reads claims so that no other JSON reader could understand them
// differently: every claim exactly once, spelled as documented, and nothing else.
func (a *Approval) decode(claims []byte) error {
	var fields map[string]json.RawMessage
	if err := josejson.Unmarshal(claims, &fields); err != nil { // refuses duplicates, unlike encoding/json
		return err
	}
	for _, name := range claimNames {
		if raw, ok := fields[name]; !ok || string(raw) == "null" {
			return fmt.Errorf("claim %q is missing", name)
		}
		delete(fields, name)
	}
	for name := range fields {
		return fmt.Errorf("unknown claim %q", name)
	}
	return json.Unmarshal(claims, a)
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
	case a.NotBefore < 0 || a.Expires <= a.NotBefore || a.Expires-a.NotBefore > int64(MaxApprovalLife/time.Second):
		return fmt.Errorf("%w: an approval lives at most %v, not %v", ErrApproval, MaxApprovalLife, life)
	case now.Before(time.Unix(a.NotBefore, 0).Add(-MaxClockSkew)):
		return fmt.Errorf("%w: the approval is not valid before %s; compare the clocks", ErrApproval, time.Unix(a.NotBefore, 0).UTC().Format(time.RFC3339))
	case now.After(time.Unix(a.Expires, 0).Add(MaxClockSkew)):
		return fmt.Errorf("%w: the approval expired at %s", ErrApproval, time.Unix(a.Expires, 0).UTC().Format(time.RFC3339))
	}
	return nil
}
