package device

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
)

// JoinConfig says what to join, and for whom.
type JoinConfig struct {
	Code string // of the invite
	User User
	// Connect makes a client of the coordinator, with a join token or, when that is
	// empty, with nothing.
	Connect  func(joinToken string) (*client.Client, error)
	Name     string         // what the device is to be called; empty: the coordinator chooses
	Info     map[string]any // about the device; may be nil
	Software string         // of this program, for other nodes
}

// Validate checks the configuration.
func (c *JoinConfig) Validate() error {
	switch {
	case c.Code == "":
		return errors.New("no invite code was given")
	case c.User == nil || c.Connect == nil:
		return errors.New("join: a user and a way to connect are needed")
	}
	return nil
}

// joiner is a device that uses an invite.
type joiner struct {
	JoinConfig
	folder  *Folder
	api     *client.Client
	invite  *rest.InviteInfo
	share   *protocol.KeyRecord // signing: this device's share of the key
	consent *consent
	after   uint64 // the last event of the session that was shown
}

// Join uses an invite and takes part in its session until that has ended. The
// same device may use an invite again, such as after a crash. Errors: the API's
// and the client's (see package client), ErrDeclined, ErrNoShare, ErrFingerprint,
// ErrMismatch, *SessionError; context.Canceled when ctx ends first, which leaves
// the session.
func (f *Folder) Join(ctx context.Context, cfg JoinConfig) (*Result, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	api, err := cfg.Connect("")
	if err != nil {
		return nil, err
	}
	defer api.Close()
	j := &joiner{JoinConfig: cfg, folder: f, api: api}
	if j.invite, err = api.Invite(ctx, cfg.Code); err != nil {
		return nil, err
	}
	j.User.Tell(Event{Type: EventInvited, Invite: j.invite})
	j.User.Tell(Event{Type: EventDevice, PeerID: f.Peer()})
	done, err := j.prepare(ctx)
	if done != nil || err != nil {
		return done, err
	}
	session, err := j.takePart(ctx)
	if err != nil {
		return nil, err
	}
	return j.result(ctx, session)
}

// prepare does what can be done before anybody waits for this device. It returns
// the result when the invite has served already.
func (j *joiner) prepare(ctx context.Context) (*Result, error) {
	share, err := j.folder.share(ctx, j.invite.KeygenSessionID)
	if err != nil {
		return nil, err
	}
	j.consent = &consent{invite: j.invite, user: j.User, self: j.folder.Peer()}
	switch {
	case j.invite.Kind == rest.KindSign && share == nil:
		return nil, fmt.Errorf("%w (%s): join with the device that made it, or import its backup here", ErrNoShare, j.invite.AccountID)
	case j.invite.Kind == rest.KindSign:
		j.share, j.consent.share = share, share
		return nil, j.checkSign()
	case share != nil:
		return j.resume(share)
	case j.invite.Status == "expired" || j.invite.Status == "revoked":
		return nil, fmt.Errorf("the invite is %s: ask whoever invited you for another one", j.invite.Status)
	case j.invite.Scheme != string(protocol.ECDSA):
		return nil, nil
	}
	began := time.Now()
	j.User.Tell(Event{Type: EventPreparing})
	if err := node.Prepare(ctx, j.folder.store, 1); err != nil {
		return nil, err
	}
	j.User.Tell(Event{Type: EventPrepared, Detail: time.Since(began).Round(100 * time.Millisecond).String()})
	return nil, nil
}

// resume decides for a device that has its share already. Its part may be done and
// still not be known to anybody: then it goes online again, until the session has
// ended. A key whose session failed must not be used, for others may lack their
// shares.
func (j *joiner) resume(share *protocol.KeyRecord) (*Result, error) {
	switch j.invite.SessionStatus {
	case "completed":
		return j.keyResult(share)
	case "created", "running":
		return nil, nil
	}
	return nil, fmt.Errorf("%w: the session is %s: this device has a share of the key, and the others may have none; do not use it, make another account", ErrEnded, j.invite.SessionStatus)
}

// checkSign compares the invite to a signing with this device's own record.
func (j *joiner) checkSign() error {
	v, own := j.invite, InfoOf(j.share)
	switch {
	case v.AccountID != own.AccountID:
		return refuted("it is about account %s, and the key is that of account %s", v.AccountID, own.AccountID)
	case v.PublicKey != own.PublicKey:
		return refuted("it names the public key %s, and this device's record %s", v.PublicKey, own.PublicKey)
	case v.Network != own.Network:
		return refuted("it is for network %q, and the key is of network %q", v.Network, own.Network)
	}
	_, _, err := inviteDigest(v)
	return err
}

// inviteDigest returns the message of an invite and the digest that signing it
// means.
func inviteDigest(v *rest.InviteInfo) (message, digest []byte, err error) {
	if message, err = hex.DecodeString(v.Message); err != nil {
		return nil, nil, refuted("its message is not hexadecimal")
	}
	if digest, err = client.Digest(v.Hash, message); err != nil {
		return nil, nil, refuted("%w", err)
	}
	if hex.EncodeToString(digest) != v.Digest {
		return nil, nil, refuted("its digest %s is not the %s hash of its message, which is %x", v.Digest, v.Hash, digest)
	}
	return message, digest, nil
}

// takePart joins and stays until the session has ended, joining again whenever
// what admits the device to the network nears its end.
func (j *joiner) takePart(ctx context.Context) (*rest.Session, error) {
	for {
		in, err := j.join(ctx)
		if err != nil {
			return nil, err
		}
		session, err := j.stay(ctx, in)
		if !errors.Is(err, errRenew) {
			return session, err
		}
	}
}

// join uses the invite.
func (j *joiner) join(ctx context.Context) (*rest.Joined, error) {
	peer := j.folder.Peer()
	statement := protocol.JoinStatement(j.invite.Network, j.invite.SessionID, peer, sha256.Sum256([]byte(j.Code)))
	in, err := j.api.Join(ctx, j.Code, rest.Join{
		PeerID: peer, Proof: base64.StdEncoding.EncodeToString(ed25519.Sign(j.folder.identity, statement)),
		Name: j.Name, DeviceInfo: j.Info,
	})
	if err != nil {
		return nil, err
	}
	if in.SessionID != j.invite.SessionID || in.Network.Name != j.invite.Network {
		return nil, refuted("it leads to session %s of network %q", in.SessionID, in.Network.Name)
	}
	return in, nil
}
