package p2p

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// PassLife is how long a pass lives at most.
const PassLife = 24 * time.Hour

const (
	passType  = "mpc-pass+jwt"
	maxPass   = 7 << 10         // bytes of a token, which holds a credential
	clockSkew = 5 * time.Minute // between the clocks of coordinators and their verifiers
)

// passClaims are a pass's payload (names as in RFC 7519 where it has them).
type passClaims struct {
	Audience   string `json:"aud"`  // the network
	Issuer     PeerID `json:"iss"`  // a coordinator
	Subject    PeerID `json:"sub"`  // the guest
	Issued     int64  `json:"iat"`  // seconds since 1970
	Expires    int64  `json:"exp"`  // seconds since 1970
	Credential string `json:"cred"` // the issuer's own
}

// IssuePass vouches for a guest: with the pass as its Config.Credential a peer
// without a credential is admitted as [RoleExternal] until the time given, at
// most [PassLife] from now and no longer than this node's own membership. The
// pass is a compact JWS (RFC 7515) signed with EdDSA (RFC 8037) by this node,
// which must be a coordinator. The error is an ErrConfig.
func (h *Host) IssuePass(guest PeerID, until time.Time) (string, error) {
	self, now := h.conf.self, time.Now()
	if until.After(self.Expires) {
		until = self.Expires
	}
	c := passClaims{
		Audience: h.cfg.Network, Issuer: self.Peer, Subject: guest,
		Issued: now.Unix(), Expires: until.Unix(), Credential: h.cfg.Credential,
	}
	if self.Role != RoleCoordinator {
		return "", fmt.Errorf("%w: only a coordinator issues passes, and this node is a %s", ErrConfig, self.Role)
	}
	if err := c.check(now); err != nil {
		return "", fmt.Errorf("%w: pass: %w", ErrConfig, err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("%w: pass: %w", ErrConfig, err)
	}
	token, err := signToken(h.cfg.Identity, passType, payload)
	if err != nil {
		return "", fmt.Errorf("pass: %w", err)
	}
	return token, nil
}

// VerifyPass checks a pass offline, from the authority over the credential of
// the coordinator that issued it to the pass itself, and returns the guest as a
// member: role external, named by the end of its peer id, until the pass or the
// coordinator's credential ends. It does not know who presents the pass: compare
// Member.Peer with the peer's proved id. The error is one of ErrPass….
func VerifyPass(authority ed25519.PublicKey, network, token string, now time.Time) (Member, error) {
	if len(token) > maxPass {
		return Member{}, fmt.Errorf("%w (%d bytes)", ErrPassMalformed, len(token))
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return Member{}, fmt.Errorf("%w (%w)", ErrPassMalformed, err)
	}
	if typ := signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != passType {
		return Member{}, fmt.Errorf("%w (type %v)", ErrPassMalformed, typ)
	}
	// Said before the signature is checked, because coordinators of another
	// network are vouched for by another authority.
	var c passClaims
	if err := json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &c); err != nil {
		return Member{}, fmt.Errorf("%w (%w)", ErrPassMalformed, err)
	}
	if c.Audience != network {
		return Member{}, fmt.Errorf("%w (this one is for %.63q)", ErrPassWrongNetwork, c.Audience)
	}
	issuer, err := c.issuer(authority, now)
	if err != nil {
		return Member{}, err
	}
	key, err := KeyOf(issuer.Peer)
	if err != nil {
		return Member{}, fmt.Errorf("%w (%w)", ErrPassIssuer, err)
	}
	if _, err := signed.Verify(key); err != nil {
		return Member{}, ErrPassBadSignature
	}
	m := c.member()
	if m.Expires.After(issuer.Expires) {
		m.Expires = issuer.Expires
	}
	if !now.Before(m.Expires) {
		return m, fmt.Errorf("%w (at %s)", ErrPassExpired, m.Expires.Format(time.RFC3339))
	}
	if err := c.check(now); err != nil {
		return Member{}, fmt.Errorf("%w (%w)", ErrPassMalformed, err)
	}
	return m, nil
}

// issuer is the coordinator that the pass names, by its credential. What is
// wrong with that credential is a detail: the guest can do nothing about it.
func (c passClaims) issuer(authority ed25519.PublicKey, now time.Time) (Member, error) {
	m, err := VerifyCredential(authority, c.Audience, c.Credential, now)
	switch {
	case err != nil:
		return Member{}, fmt.Errorf("%w (%v)", ErrPassIssuer, err) //nolint:errorlint // not the guest's own credential
	case m.Role != RoleCoordinator:
		return Member{}, fmt.Errorf("%w (%s is a %s)", ErrPassIssuer, m.Peer, m.Role)
	case m.Peer != c.Issuer:
		return Member{}, fmt.Errorf("%w (it encloses the credential of %s)", ErrPassIssuer, m.Peer)
	}
	return m, nil
}

func (c passClaims) member() Member {
	return Member{
		Peer: c.Subject, Role: RoleExternal, Name: c.Subject[max(0, len(c.Subject)-shortID):],
		IssuedAt: time.Unix(c.Issued, 0).UTC(), Expires: time.Unix(c.Expires, 0).UTC(),
	}
}

// shortID is how many characters at the end of a peer id name a guest. Its
// beginning is the same for all Ed25519 keys.
const shortID = 10

// check looks at the guest and at the times. A pass that begins in the future
// would outlive PassLife.
func (c passClaims) check(now time.Time) error {
	if err := ParsePeer(c.Subject); err != nil {
		return err
	}
	issued, expires := time.Unix(c.Issued, 0), time.Unix(c.Expires, 0)
	switch {
	case c.Subject == c.Issuer:
		return fmt.Errorf("a coordinator needs no pass")
	case issued.After(now.Add(clockSkew)):
		return fmt.Errorf("it begins at %s, in the future: check the clocks", issued.UTC().Format(time.RFC3339))
	case !expires.After(issued):
		return fmt.Errorf("its end, %s, is not after its beginning", expires.UTC().Format(time.RFC3339))
	case expires.Sub(issued) > PassLife:
		return fmt.Errorf("it lives for %s: at most %s are allowed", expires.Sub(issued), PassLife)
	}
	return nil
}

// verifyToken checks what a peer shows in its hello: a credential or a pass.
func verifyToken(authority ed25519.PublicKey, network, token string, now time.Time) (Member, error) {
	if tokenType(token) == passType {
		return VerifyPass(authority, network, token, now)
	}
	return VerifyCredential(authority, network, token, now)
}
