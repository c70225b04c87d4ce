package p2p

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Role is what a member does in the network.
type Role string

// The roles. A party is persistent: it keeps its shares. A delegate takes part
// for a user and keeps nothing, an external party is a user's own device.
const (
	RoleParty       Role = "party"
	RoleDelegate    Role = "delegate"
	RoleExternal    Role = "external"
	RoleCoordinator Role = "coordinator"
	RoleBootstrap   Role = "bootstrap"
)

// Roles are all roles.
var Roles = []Role{RoleParty, RoleDelegate, RoleExternal, RoleCoordinator, RoleBootstrap}

// DefaultLife is how long a credential lives unless its Member says otherwise.
const DefaultLife = 365 * 24 * time.Hour

const (
	credentialType = "mpc-credential+jwt"
	maxCredential  = 4 << 10 // bytes of a token
	maxName        = 128     // bytes of a member's name
	maxLabels      = 32
	maxLabel       = 128 // bytes of a label's key, and of its value
)

// networkName is what protocol and topic names can carry.
var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// Member is what the authority says about a peer.
type Member struct {
	Peer     PeerID
	Role     Role
	Name     string            // for people; at most 128 bytes
	Labels   map[string]string // at most 32 of at most 128 bytes each way
	IssuedAt time.Time         // whole seconds, UTC
	Expires  time.Time         // whole seconds, UTC; the credential is bad from here on
}

// claims are a credential's payload (names as in RFC 7519 where it has them).
type claims struct {
	Network string            `json:"net"`
	Subject PeerID            `json:"sub"`
	Role    Role              `json:"role"`
	Name    string            `json:"name,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Issued  int64             `json:"iat"` // seconds since 1970
	Expires int64             `json:"exp"` // seconds since 1970
}

// IssueCredential makes m a member of the network: a compact JWS (RFC 7515)
// signed with EdDSA (RFC 8037) by the authority. A zero IssuedAt is now, a zero
// Expires is DefaultLife later. The error is an ErrConfig.
func IssueCredential(authority ed25519.PrivateKey, network string, m Member) (string, error) {
	if len(authority) != ed25519.PrivateKeySize {
		return "", fmt.Errorf("%w: the authority key is not an Ed25519 private key", ErrConfig)
	}
	if m.IssuedAt.IsZero() {
		m.IssuedAt = time.Now()
	}
	if m.Expires.IsZero() {
		m.Expires = m.IssuedAt.Add(DefaultLife)
	}
	c := claims{
		Network: network, Subject: m.Peer, Role: m.Role, Name: m.Name, Labels: m.Labels,
		Issued: m.IssuedAt.Unix(), Expires: m.Expires.Unix(),
	}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("%w: credential: %w", ErrConfig, err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("%w: credential: %w", ErrConfig, err)
	}
	token, err := signToken(authority, credentialType, payload)
	if err != nil {
		return "", fmt.Errorf("credential: %w", err)
	}
	if len(token) > maxCredential {
		return "", fmt.Errorf("%w: the credential would have %d bytes, at most %d fit: use fewer labels", ErrConfig, len(token), maxCredential)
	}
	return token, nil
}

// VerifyCredential checks a credential against the authority and the network
// and returns what it says. It does not know who presents it: compare
// Member.Peer with the peer's proved id. The error is one of ErrCredential….
func VerifyCredential(authority ed25519.PublicKey, network, token string, now time.Time) (Member, error) {
	switch {
	case token == "":
		return Member{}, ErrCredentialMissing
	case len(token) > maxCredential:
		return Member{}, fmt.Errorf("%w (%d bytes)", ErrCredentialMalformed, len(token))
	case len(authority) != ed25519.PublicKeySize:
		return Member{}, fmt.Errorf("%w (the authority key has %d bytes)", ErrCredentialBadSignature, len(authority))
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return Member{}, fmt.Errorf("%w (%w)", ErrCredentialMalformed, err)
	}
	if typ := signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != credentialType {
		return Member{}, fmt.Errorf("%w (type %v)", ErrCredentialMalformed, typ)
	}
	// Said before the signature is checked, because another network has another
	// authority: without it the reason would be a bad signature.
	var c claims
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &c); err != nil {
		return Member{}, fmt.Errorf("%w (%w)", ErrCredentialMalformed, err)
	}
	if c.Network != network {
		return Member{}, fmt.Errorf("%w (this one is %q)", ErrCredentialWrongNetwork, network)
	}
	if _, err := signed.Verify(authority); err != nil {
		return Member{}, ErrCredentialBadSignature
	}
	if err := c.check(); err != nil {
		return Member{}, fmt.Errorf("%w (%w)", ErrCredentialMalformed, err)
	}
	m := c.member()
	if !now.Before(m.Expires) {
		return m, fmt.Errorf("%w (on %s)", ErrCredentialExpired, m.Expires.Format(time.DateOnly))
	}
	return m, nil
}

func (c claims) member() Member {
	return Member{
		Peer: c.Subject, Role: c.Role, Name: c.Name, Labels: maps.Clone(c.Labels),
		IssuedAt: time.Unix(c.Issued, 0).UTC(), Expires: time.Unix(c.Expires, 0).UTC(),
	}
}

func (c claims) check() error {
	if !networkName.MatchString(c.Network) {
		return fmt.Errorf("network name %q: use at most 63 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit", c.Network)
	}
	if err := ParsePeer(c.Subject); err != nil {
		return err
	}
	if !slices.Contains(Roles, c.Role) {
		return fmt.Errorf("unknown role %q: use one of %v", c.Role, Roles)
	}
	if len(c.Name) > maxName || len(c.Labels) > maxLabels {
		return fmt.Errorf("a name of at most %d bytes and at most %d labels are allowed", maxName, maxLabels)
	}
	for k, v := range c.Labels {
		if k == "" || len(k) > maxLabel || len(v) > maxLabel {
			return fmt.Errorf("label %.20q: key and value have at most %d bytes", k, maxLabel)
		}
	}
	if c.Expires <= c.Issued {
		return fmt.Errorf("the expiry is not after the issue date")
	}
	return nil
}
