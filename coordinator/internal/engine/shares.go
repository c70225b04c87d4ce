package engine

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// shareTimeout bounds the conversation with a delegate.
const shareTimeout = 10 * time.Second

// UserShare is a user's share as its delegate gave it out.
type UserShare struct {
	Text     string // text form: sealed to the recipient, or in plain
	Expires  time.Time
	Delegate registry.Party
}

// FetchShare asks the delegate of an account for the user's share, sealed to
// recipient (nil: in plain). It is kept nowhere.
func (e *Engine) FetchShare(ctx context.Context, account string, recipient []byte, meta registry.Meta) (UserShare, error) {
	a, delegate, err := e.delegated(account)
	if err != nil {
		return UserShare{}, err
	}
	reply, err := e.askDelegate(ctx, delegate, protocol.ShareRequest{Key: a.KeyID, Epoch: a.Epoch, Recipient: recipient})
	if err != nil {
		return UserShare{}, err
	}
	e.cfg.Registry.Note(nil, registry.Event{
		Stream: registry.AccountStream(account), Type: registry.ShareFetched, Party: delegate.Peer, Actor: meta.Actor,
	})
	return UserShare{Text: reply.Share, Expires: time.Unix(reply.Expires, 0).UTC(), Delegate: delegate}, nil
}

// EraseShare tells the delegate that the user has the share, and returns when
// the delegate has erased it.
func (e *Engine) EraseShare(ctx context.Context, account string, meta registry.Meta) error {
	a := e.cfg.Registry.Account(account)
	if a != nil && a.Erased {
		return nil
	}
	a, delegate, err := e.delegated(account)
	if err != nil {
		return err
	}
	if _, err := e.askDelegate(ctx, delegate, protocol.ShareRequest{Key: a.KeyID, Epoch: a.Epoch, Erase: true}); err != nil {
		return err
	}
	err = e.cfg.Registry.Append(registry.Event{
		Stream: registry.AccountStream(account), Type: registry.ShareErased, Party: delegate.Peer, Actor: meta.Actor, Idem: meta.Idem,
	})
	if err != nil {
		return storageProblem()
	}
	return nil
}

// delegated returns an account whose delegate may still have the user's share.
func (e *Engine) delegated(account string) (*registry.Account, registry.Party, error) {
	a, err := e.activeAccount(account)
	if err != nil {
		return nil, registry.Party{}, err
	}
	delegate, has := a.Delegate()
	switch {
	case !has:
		return nil, delegate, &registry.Problem{Code: registry.CodeNoUserShare, Detail: "no user holds a share of this account"}
	case a.Erased:
		return nil, delegate, &registry.Problem{Code: registry.CodeNoUserShare, Detail: "the user's share was acknowledged and is erased: only the user has it"}
	}
	return a, delegate, nil
}

// askDelegate sends a request until it is answered.
func (e *Engine) askDelegate(ctx context.Context, delegate registry.Party, req protocol.ShareRequest) (*protocol.ShareReply, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, &registry.Problem{Code: registry.CodeInternal, Detail: "no random bytes: " + err.Error()}
	}
	req.ID = id.String()
	frame, err := protocol.Marshal(protocol.Frame{ShareRequest: &req})
	if err != nil {
		return nil, &registry.Problem{Code: registry.CodeInternal, Detail: "the request could not be encoded"}
	}
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	answers := e.replies.expect(req.ID, delegate.Peer)
	defer e.replies.forget(req.ID)
	again := time.NewTicker(resendEvery)
	defer again.Stop()
	for {
		if err := e.cfg.Mesh.Send(ctx, delegate.Peer, protocol.ChannelDispatch, frame); err != nil && ctx.Err() == nil {
			log.Debugw("a delegate could not be asked", "party", delegate.Peer, "error", err)
		}
		select {
		case reply := <-answers:
			return reply, replyProblem(delegate, reply)
		case <-again.C:
		case <-ctx.Done():
			fault := registry.PartyProblem{Party: delegate, Code: protocol.CodeUnreachable, Detail: "it does not answer"}
			return nil, &registry.Problem{
				Code: registry.CodeTooFewParties, Parties: []registry.PartyProblem{fault},
				Detail: fmt.Sprintf("party %s (%s), which has the user's share, does not answer: try again when it is back", delegate.Name, delegate.Peer),
			}
		}
	}
}

func replyProblem(delegate registry.Party, r *protocol.ShareReply) error {
	detail := bounded(r.Detail)
	switch r.Code {
	case "":
		return nil
	case protocol.CodeNoShare:
		return &registry.Problem{Code: registry.CodeNoUserShare, Detail: "the delegate no longer has the user's share: " + detail}
	case protocol.CodeUserShare, protocol.CodePlainShare, protocol.CodeInvalid, protocol.CodeUnauthorised: // it is about the recipient
		return &registry.Problem{Code: registry.CodeBadUserShare, Detail: detail}
	}
	return &registry.Problem{
		Code: registry.CodePartyRefused, Detail: fmt.Sprintf("party %s refused: %s", delegate.Name, detail),
		Parties: []registry.PartyProblem{{Party: delegate, Code: r.Code, Detail: detail}},
	}
}

// SealKey returns the signed statement of an account's delegate about its seal
// key, nil while the delegate is away.
func (e *Engine) SealKey(a *registry.Account) []byte {
	delegate, has := a.Delegate()
	if !has {
		return nil
	}
	p, ok := e.cfg.Pool.Party(delegate.Peer)
	if !ok || !p.Live {
		return nil
	}
	return p.SealKey
}

// Fingerprint returns what people compare before they trust a roster: empty
// until the parties are chosen.
func (e *Engine) Fingerprint(s *registry.Session) string {
	if len(s.Spec) == 0 {
		return s.Fingerprint
	}
	var spec protocol.Spec
	if err := protocol.Unmarshal(s.Spec, &spec); err != nil {
		log.Errorw("the spec of an attempt cannot be read", "session", s.ID, "sid", hex.EncodeToString([]byte(s.SID)), "error", err)
		return ""
	}
	return protocol.Fingerprint(&spec)
}
