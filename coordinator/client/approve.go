package client

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// ErrNotApprover reports a key that is no approver of the account.
var ErrNotApprover = errors.New("the key is no approver of this account")

// ApprovalPage returns a page of the sessions that wait for approvals.
func (c *Client) ApprovalPage(ctx context.Context, page Page) (*rest.ApprovalList, error) {
	return get[rest.ApprovalList](ctx, c, prefix+"/approvals", page.query(url.Values{}))
}

// Approvals ranges over the sessions that wait for approvals.
func (c *Client) Approvals(ctx context.Context) iter.Seq2[rest.PendingApproval, error] {
	return everything(ctx, func(ctx context.Context, page Page) ([]rest.PendingApproval, string, error) {
		list, err := c.ApprovalPage(ctx, page)
		if err != nil {
			return nil, "", err
		}
		return list.Approvals, list.NextCursor, nil
	})
}

// AddApprovals gives approvals (compact JWS) to a session.
func (c *Client) AddApprovals(ctx context.Context, session string, approvals ...string) (*rest.Session, error) {
	path, err := route("sessions", session, "approvals")
	if err != nil {
		return nil, err
	}
	return post[rest.Session](ctx, c, path, rest.Approvals{Approvals: approvals})
}

// CheckPending checks that what waits for approval is about the account's
// certified key: network, key and epoch of its claims, and its digest. An
// approver who sees only the message would otherwise trust the coordinator with
// the rest.
func (c *Client) CheckPending(ctx context.Context, p *rest.PendingApproval) error {
	key, err := c.Key(ctx, p.AccountID)
	if err != nil {
		return err
	}
	switch {
	case p.Claims.Audience != key.Network:
		return refuted("it asks for an approval in network %q, and the account is of %q", p.Claims.Audience, key.Network)
	case p.Claims.Key != key.Session || p.Claims.Epoch != key.Epoch:
		return refuted("it asks for an approval for key %s epoch %d, and the account's is %s epoch %d", p.Claims.Key, p.Claims.Epoch, key.Session, key.Epoch)
	case p.Scheme != string(key.Scheme):
		return refuted("it says that the scheme is %q, and the key's is %q", p.Scheme, key.Scheme)
	}
	return checkDigest(p)
}

// Approve makes an approval (compact JWS) of what waits, valid from now for life,
// at most 24 hours. key is an ed25519.PrivateKey or a P-256 *ecdsa.PrivateKey. The
// message is hashed again, so that the approval is for what its message says.
// Errors are ErrVerification, ErrNotApprover, or about key and life.
func Approve(key crypto.Signer, p *rest.PendingApproval, life time.Duration) (string, error) {
	if life < time.Second || life > protocol.MaxApprovalLife {
		return "", fmt.Errorf("an approval lives from a second to %v, not %v", protocol.MaxApprovalLife, life)
	}
	if err := checkDigest(p); err != nil {
		return "", err
	}
	spki, err := protocol.ApproverKey(key.Public())
	if err != nil {
		return "", err
	}
	if !slices.Contains(p.Approvers, protocol.ApproverID(spki)) {
		return "", fmt.Errorf("%w: its id is %s, the approvers are %v", ErrNotApprover, protocol.ApproverID(spki), p.Approvers)
	}
	now := time.Now()
	return protocol.SignApproval(key, protocol.Approval{
		Network: p.Claims.Audience, Operation: protocol.Kind(p.Claims.Operation), Account: p.Claims.Subject, Key: p.Claims.Key,
		Epoch: p.Claims.Epoch, Path: append([]uint32{}, p.Claims.Path...), Digest: p.Claims.Digest, Request: p.Claims.JTI,
		NotBefore: now.Unix(), Expires: now.Add(life).Unix(),
	})
}

// checkDigest checks that the claims are for the message and the session that
// the approver is shown.
func checkDigest(p *rest.PendingApproval) error {
	message, err := hex.DecodeString(p.Message)
	if err != nil {
		return refuted("the message is not hexadecimal")
	}
	digest, err := Digest(p.Hash, message)
	if err != nil {
		return refuted("%w", err)
	}
	if p.Scheme == string(protocol.EdDSA) {
		sum := sha256.Sum256(digest) // an approval names a long message by its hash
		digest = sum[:]
	}
	switch {
	case p.Claims.Operation != string(protocol.KindSign) || len(p.Claims.Path) != 0:
		return refuted("it asks for an approval of something else than a signature with the account's own key")
	case p.Claims.Subject != p.AccountID || p.Claims.JTI != p.SessionID:
		return refuted("it asks for an approval of another account or session than it shows")
	case !equalHex(p.Claims.Digest, digest):
		return refuted("it asks for an approval of the digest %s, and its message has %x", p.Claims.Digest, digest)
	}
	return nil
}

// parseApprovers reads approvers as a request names them.
func parseApprovers(a *rest.Approvers) (protocol.Approvers, error) {
	out := protocol.Approvers{M: a.M}
	for i, text := range a.Keys {
		der, err := parseSPKI(text)
		if err != nil {
			return out, fmt.Errorf("approver key %d: %w", i, err)
		}
		out.Keys = append(out.Keys, der)
	}
	return out, out.Validate()
}

// parseSPKI reads a public key, PEM or base64 DER.
func parseSPKI(text string) ([]byte, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes, nil
	}
	return base64.StdEncoding.DecodeString(text)
}
