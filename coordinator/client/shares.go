package client

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// ErrShare reports a user's share that cannot be opened or used; the message
// says why. What protocol says of shares is in it, such as
// protocol.ErrSealedToOther.
var ErrShare = errors.New("user's share")

// GenerateShare fetches the user's share of an account of custody hybrid, or
// completes a keygen session with an open user slot first. It can be repeated
// until AckShare. OpenShare opens it.
func (c *Client) GenerateShare(ctx context.Context, req rest.GenerateShare) (*rest.UserShare, error) {
	return post[rest.UserShare](ctx, c, prefix+"/shares/generate", req)
}

// AckShare says that a share is stored safely: the delegate erases its copy.
func (c *Client) AckShare(ctx context.Context, id string) (*rest.ShareAck, error) {
	path, err := route("shares", id, "ack")
	if err != nil {
		return nil, err
	}
	return post[rest.ShareAck](ctx, c, path, nil)
}

// Recipient is an X25519 key pair that a user's share is sealed to (HPKE, RFC
// 9180), so that nobody between the delegate and the user can read it.
type Recipient struct{ key *ecdh.PrivateKey }

// NewRecipient makes a key pair.
func NewRecipient() (*Recipient, error) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a recipient key: %w", err)
	}
	return &Recipient{key}, nil
}

// ParseRecipient reads what Private has returned.
func ParseRecipient(private []byte) (*Recipient, error) {
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("%w: a recipient's private key has %d bytes, not %d", ErrShare, protocol.RecipientSize, len(private))
	}
	return &Recipient{key}, nil
}

// PublicKey is what rest.CreateAccount and rest.GenerateShare call
// recipient_key: base64.
func (r *Recipient) PublicKey() string {
	return base64.StdEncoding.EncodeToString(r.key.PublicKey().Bytes())
}

// Private returns the secret key, 32 bytes, to be kept until the share has been
// opened and stored.
func (r *Recipient) Private() []byte { return r.key.Bytes() }

// String keeps the secret out of logs.
func (r *Recipient) String() string { return "recipient " + r.PublicKey() }

// GoString is String.
func (r *Recipient) GoString() string { return r.String() }

// UserShare is a user's share in the clear: with it and t-1 of the parties'
// shares, signatures can be made. Keep Text as the secret that it is.
type UserShare struct {
	data   []byte // an encoded protocol.KeyRecord
	record *protocol.KeyRecord
}

// OpenShare opens the user's share of a key and checks that it is of that key,
// complete, and certified by all members. text is UserShare.Share of an answer,
// or what Text has returned; r may be nil for what is not sealed. Errors are
// ErrShare.
func OpenShare(key *Key, r *Recipient, text string) (*UserShare, error) {
	sealed, data, err := protocol.ParseShare(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShare, err)
	}
	if sealed {
		if r == nil {
			return nil, fmt.Errorf("%w: it is sealed: the private key of its recipient is needed", ErrShare)
		}
		bind := protocol.ShareBinding{Network: key.Network, Account: key.Account, Key: key.Session, Epoch: key.Epoch, Purpose: protocol.PurposeDeliver}
		if data, err = protocol.OpenShare(r.key, bind, data); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrShare, err)
		}
	}
	s, err := parseUserShare(data)
	if err != nil {
		return nil, err
	}
	if err := s.meantFor(r); err != nil {
		return nil, err
	}
	return s, s.of(key)
}

// meantFor checks that the keygen's spec, which the certificate covers, names no
// other recipient: a coordinator that named one of its own could have read the
// share and sealed it again.
func (s *UserShare) meantFor(r *Recipient) error {
	named := s.record.Spec.Recipient
	if len(named) == 0 || (r != nil && bytes.Equal(named, r.key.PublicKey().Bytes())) {
		return nil
	}
	return fmt.Errorf("%w: the key was made for another recipient (%s), who may have read it: do not use the account",
		ErrShare, base64.StdEncoding.EncodeToString(named))
}

func parseUserShare(data []byte) (*UserShare, error) {
	record, err := protocol.OpenUserShare(data, protocol.VerifyPeer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShare, err)
	}
	if _, ok := delegateOf(record.Spec.Roster); !ok || len(record.Share) == 0 {
		return nil, fmt.Errorf("%w: it is no share that a delegate made for a user", ErrShare)
	}
	return &UserShare{data, record}, nil
}

// ParseUserShare reads what Text has returned and checks that it is complete and
// certified by all members. Errors are ErrShare.
func ParseUserShare(text string) (*UserShare, error) {
	sealed, data, err := protocol.ParseShare(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShare, err)
	}
	if sealed {
		return nil, fmt.Errorf("%w: it is sealed: open it with OpenShare", ErrShare)
	}
	return parseUserShare(data)
}

// of checks that a share is of the key.
func (s *UserShare) of(key *Key) error {
	b := s.record.Certificate.Body
	own := &Key{Network: b.Network, Session: b.Key, Scheme: b.Scheme, PublicKey: b.PublicKey}
	if b.Account != key.Account || !key.same(own) || b.Epoch != key.Epoch {
		return fmt.Errorf("%w: it is of account %s epoch %d and public key %x, not of account %s epoch %d and %x",
			ErrShare, b.Account, b.Epoch, b.PublicKey, key.Account, key.Epoch, key.PublicKey)
	}
	return nil
}

// Account is the account that the share is of.
func (s *UserShare) Account() string { return s.record.Spec.Account }

// Text returns the share in the clear as text. It is a secret.
func (s *UserShare) Text() string { return protocol.FormatShare(false, s.data) }

// String keeps the secret out of logs.
func (s *UserShare) String() string { return "user's share of account " + s.Account() }

// GoString is String.
func (s *UserShare) GoString() string { return s.String() }

// delegateOf returns the delegate among the members.
func delegateOf(roster []protocol.Member) (protocol.PeerID, bool) {
	i := slices.IndexFunc(roster, func(m protocol.Member) bool { return m.Role == protocol.Delegate })
	if i < 0 {
		return "", false
	}
	return roster[i].Peer, true
}

// sealToDelegate seals the request's share for this one digest to the key that
// the delegate, as the key certificate names it, has signed as its own.
func (c *Client) sealToDelegate(ctx context.Context, req SignRequest) (string, error) {
	a, err := c.Account(ctx, req.Account) // anew: a delegate's key lives as long as its process
	if err != nil {
		return "", err
	}
	key, err := c.Key(ctx, req.Account)
	if err != nil {
		return "", err
	}
	if err := req.UserShare.of(key); err != nil {
		return "", err
	}
	recipient, err := verifySealKey(key, a.SealKey, time.Now())
	if err != nil {
		return "", err
	}
	digest, err := Digest(req.Hash, req.Message)
	if err != nil {
		return "", err
	}
	bind := protocol.BindingFor(&protocol.Spec{
		Network: key.Network, Kind: protocol.KindSign, Account: key.Account, Key: key.Session, Epoch: key.Epoch, Scheme: key.Scheme, Payload: digest,
	})
	sealed, err := protocol.SealShare(recipient, bind, req.UserShare.data)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrShare, err)
	}
	return protocol.FormatShare(true, sealed), nil
}

// verifySealKey returns the X25519 key of the delegate in the certificate.
func verifySealKey(key *Key, s *rest.SealKey, now time.Time) ([]byte, error) {
	delegate, ok := delegateOf(key.Roster)
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: account %s has none: no member is a delegate", ErrShare, key.Account)
	case s == nil:
		return nil, fmt.Errorf("%w: the delegate %s is not live, so the share cannot be sealed to it", ErrShare, delegate)
	}
	statement, err := base64.StdEncoding.DecodeString(s.Statement)
	if err != nil {
		return nil, refuted("seal key: %w", err)
	}
	k, err := protocol.OpenSealKey(statement, protocol.VerifyPeer)
	switch {
	case err != nil:
		return nil, refuted("%w", err)
	case k.Peer != delegate:
		return nil, refuted("the seal key is of %s, and the account's delegate is %s", k.Peer, delegate)
	case k.Network != key.Network:
		return nil, refuted("the seal key is of network %q, and the account of %q", k.Network, key.Network)
	case !now.Before(time.Unix(k.Expires, 0).Add(protocol.MaxClockSkew)):
		return nil, refuted("the seal key has expired at %s; compare the clocks", time.Unix(k.Expires, 0).UTC().Format(time.RFC3339))
	case s.Key != "" && s.Key != base64.StdEncoding.EncodeToString(k.Key):
		return nil, refuted("the seal key %s is not the one that the delegate has signed, %s", s.Key, hex.EncodeToString(k.Key))
	}
	return k.Key, nil
}

// staleSealKey tells whether a party refused a share that was sealed to a key
// that it no longer has.
func staleSealKey(err error) bool {
	p := (*rest.Problem)(nil)
	return errors.As(err, &p) && slices.ContainsFunc(p.Parties, func(party rest.PartyProblem) bool {
		return party.Code == string(protocol.CodeSealKey)
	})
}
