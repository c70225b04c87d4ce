package client

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// SignRequest says what to sign, and how.
type SignRequest struct {
	// Account is the id of the account.
	Account string
	// Message is what to sign. ECDSA without Hash: a digest of 32 bytes. Otherwise
	// 1 to 32768 bytes.
	Message []byte
	// Hash is applied to the message first: a name of package protocol/chain;
	// empty: none.
	Hash string
	// UserShare is the user's share, for an account of custody hybrid. It leaves
	// this process only sealed for this one digest.
	UserShare *UserShare
	// Approvals are approvals of the account's approvers, which name RequestID.
	Approvals []string
	// RequestID becomes the session's id, so that approvals can be made before the
	// call: a fresh UUID, version 7 or 4. Empty: the coordinator chooses.
	RequestID string
}

// Sign signs and waits for the signature, which was verified: it is under the
// account's certified key and of this very message, in each of its forms. Too
// few approvals are a *PendingError; AwaitSignature waits for the others.
func (c *Client) Sign(ctx context.Context, req SignRequest) (*rest.SignResult, error) {
	key, err := c.Key(ctx, req.Account)
	if err != nil {
		return nil, err
	}
	a, err := c.sign(ctx, req, false)
	for try := 2; try <= sealTries && staleSealKey(err) && req.UserShare != nil && req.RequestID == ""; try++ {
		// The delegate was started anew; the coordinator hears of its new key in a moment.
		if try > 2 && pause(ctx, sealPause) != nil {
			break
		}
		a, err = c.sign(nthKey(ctx, try), req, false)
	}
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusAccepted {
		session, err := decode[rest.Session](a)
		if err != nil {
			return nil, err
		}
		return nil, &PendingError{session}
	}
	result, err := decode[rest.SignResult](a)
	if err != nil {
		return nil, err
	}
	if err := key.VerifyResult(result, req.Message, req.Hash); err != nil {
		return nil, err
	}
	return result, nil
}

// A share is sealed anew so often, from the second time on after a pause, when the
// delegate does not have the key that it was sealed to.
const (
	sealTries = 12
	sealPause = 250 * time.Millisecond
)

// nthKey lets a call that must be made anew, not repeated, be repeatable itself:
// its Idempotency-Key follows from the first one's.
func nthKey(ctx context.Context, n int) context.Context {
	if first, ok := ctx.Value(idempotency{}).(string); ok {
		return WithIdempotencyKey(ctx, fmt.Sprintf("%s/%d", first[:min(len(first), 250)], n))
	}
	return ctx
}

// StartSign begins to sign and returns the session, without waiting for it; see
// AwaitSignature.
func (c *Client) StartSign(ctx context.Context, req SignRequest) (*rest.Session, error) {
	a, err := c.sign(ctx, req, true)
	if err != nil {
		return nil, err
	}
	return decode[rest.Session](a)
}

// sign makes the call.
func (c *Client) sign(ctx context.Context, req SignRequest, async bool) (*answer, error) {
	path, err := route("accounts", req.Account, "sign")
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	body := rest.SignBody{
		Message: hex.EncodeToString(req.Message), Encoding: "hex", Hash: req.Hash,
		Approvals: req.Approvals, RequestID: req.RequestID,
	}
	if req.UserShare != nil {
		if body.UserShare, err = c.sealToDelegate(ctx, req); err != nil {
			return nil, err
		}
	}
	return c.do(ctx, &call{method: http.MethodPost, path: path, in: body, async: async})
}

// Key returns the certified key of an account. It asks the coordinator for those
// it has not verified yet. An account that has no key yet, or will have none, is a
// *rest.Problem with the code account_not_active, as it is to the API.
func (c *Client) Key(ctx context.Context, account string) (*Key, error) {
	if k, ok := c.keys.Get(account); ok {
		return k, nil
	}
	a, err := c.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	if k, ok := c.keys.Get(account); ok {
		return k, nil
	}
	return nil, &rest.Problem{
		Type: "about:blank", Title: http.StatusText(http.StatusConflict), Status: http.StatusConflict, Code: "account_not_active",
		Detail: fmt.Sprintf("account %s has no key: it is %s", account, a.Status), SessionID: a.KeygenSessionID,
	}
}

// AwaitSignature waits until a session has ended and returns its signature,
// verified as Sign does: req is what was asked for. A session that ended
// otherwise is a *rest.Problem.
func (c *Client) AwaitSignature(ctx context.Context, session string, req SignRequest) (*rest.SignResult, error) {
	key, err := c.Key(ctx, req.Account)
	if err != nil {
		return nil, err
	}
	s, err := c.Wait(ctx, session)
	if err != nil {
		return nil, err
	}
	result, err := resultOf(s, key)
	if err != nil {
		return nil, err
	}
	if err := key.VerifyResult(result, req.Message, req.Hash); err != nil {
		return nil, err
	}
	return result, nil
}

// resultOf is a completed session in the form of the answer of Sign. Nothing in
// it is verified yet.
func resultOf(s *rest.Session, key *Key) (*rest.SignResult, error) {
	switch {
	case s.Kind != rest.KindSign:
		return nil, refuted("session %s is a %s, no signing", s.ID, s.Kind)
	case s.Status != "completed":
		return nil, ended(s)
	case s.Signature == nil:
		return nil, refuted("session %s is completed and has no signature", s.ID)
	}
	return &rest.SignResult{
		SessionID: s.ID, AccountID: s.AccountID, Scheme: s.Scheme, PublicKey: hex.EncodeToString(key.PublicKey),
		Message: s.Message, Hash: s.Hash, Digest: s.Digest, Signature: *s.Signature,
	}, nil
}

// ended is the problem of a session that has no result.
func ended(s *rest.Session) error {
	if s.Error != nil {
		return s.Error
	}
	return &rest.Problem{
		Type: "about:blank", Title: http.StatusText(http.StatusConflict), Status: http.StatusConflict, Code: "session_" + s.Status,
		Detail: "the session has ended without a result", SessionID: s.ID,
	}
}

// VerifySession checks the signature that a completed sign session shows: that it
// is under the account's certified key and of the message that the session shows.
// Whether that is the message you mean, only you know. Errors are
// ErrVerification; a session without a signature has nothing to verify.
func (c *Client) VerifySession(ctx context.Context, s *rest.Session) error {
	if s.Signature == nil {
		return nil
	}
	key, err := c.Key(ctx, s.AccountID)
	if err != nil {
		return err
	}
	result, err := resultOf(s, key)
	if err != nil {
		return err
	}
	message, err := hex.DecodeString(s.Message)
	if err != nil {
		return refuted("session %s: its message is not hexadecimal", s.ID)
	}
	return key.VerifyResult(result, message, s.Hash)
}
