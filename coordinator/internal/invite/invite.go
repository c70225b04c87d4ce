// Package invite makes the two secrets that admit a user's device: invite codes
// and join tokens. Both come from one server secret, so that nothing of them has
// to be stored: a code is derived again from its invite's id, and a token is
// signed.
//
// They admit to HTTP alone. What parties trust is the roster that everyone
// signs, whose fingerprint people compare.
package invite

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"
)

// MinSecret is the least number of characters of the server secret.
const MinSecret = 32

// codePrefix makes a code recognisable where it should not be.
const codePrefix = "mpci_"

// ErrToken reports a join token that is not valid.
var ErrToken = errors.New("invalid join token")

// Issuer makes codes and tokens.
type Issuer struct {
	network string
	codes   []byte
	signer  jose.Signer
	key     []byte
}

// New returns the issuer of a network. secret is JWT_SECRET_KEY.
func New(network, secret string) (*Issuer, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret for invites has %d characters and needs at least %d", len(secret), MinSecret)
	}
	key := derive(secret, "mpc/join-token/v1")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("join tokens: %w", err)
	}
	return &Issuer{network: network, codes: derive(secret, "mpc/invite-code/v1"), signer: signer, key: key}, nil
}

func derive(secret, label string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(label))
	return mac.Sum(nil)
}

// NewID returns the id of a new invite.
func NewID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	return id.String(), nil
}

// Code returns an invite's code: 256 bits that only this issuer can make.
func (i *Issuer) Code(id string) string {
	mac := hmac.New(sha256.New, i.codes)
	mac.Write([]byte(i.network + "\x00" + id))
	return codePrefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Hash returns what is stored of a code: SHA-256 in hex.
func Hash(code string) string {
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}

// claims of a join token (RFC 7519, HS256).
type claims struct {
	jwt.Claims
	Session string `json:"sid"`
}

// Token returns the join token of a device in a session.
func (i *Issuer) Token(session, peer string, expires time.Time) (string, error) {
	token, err := jwt.Signed(i.signer).Claims(claims{
		Claims:  jwt.Claims{Subject: peer, Audience: jwt.Audience{i.network}, Expiry: jwt.NewNumericDate(expires)},
		Session: session,
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("join token: %w", err)
	}
	return token, nil
}

// Read returns the session that a token admits to at the given time, and the peer
// id of the device that it was given to.
func (i *Issuer) Read(token string, now time.Time) (session, peer string, err error) {
	parsed, err := jwt.ParseSigned(strings.TrimSpace(token), []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrToken, err)
	}
	var c claims
	if err := parsed.Claims(i.key, &c); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrToken, err)
	}
	if c.Expiry == nil || c.Session == "" {
		return "", "", fmt.Errorf("%w: it names no session or never expires", ErrToken)
	}
	if err := c.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{i.network}, Time: now}, 0); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrToken, err)
	}
	return c.Session, c.Subject, nil
}
