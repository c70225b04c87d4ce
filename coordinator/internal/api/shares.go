package api

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func (s *server) shareRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "generate-share", method: http.MethodPost, path: prefix + "/shares/generate", tag: "shares", scope: access.Shares,
		summary: "Get the user's share of a session, or complete a keygen with an open user slot and get its share. It can be fetched again until it is acknowledged, 24 hours at most.",
		answers: map[int]any{http.StatusOK: rest.UserShare{}},
		errors: append([]string{
			registry.CodeSessionNotFound, registry.CodeNoUserShare, registry.CodeBadUserShare, registry.CodeDisagreement, codeIdempotency,
		}, sessionErrors...),
	}), s.generateShare)
	huma.Register(api, s.operation(api, route{
		id: "ack-share", method: http.MethodPost, path: prefix + "/shares/{id}/ack", tag: "shares", scope: access.Shares,
		summary: "Say that the user's share is stored safely: the delegate erases it.",
		answers: map[int]any{http.StatusOK: rest.ShareAck{}},
		errors: []string{
			registry.CodeSessionNotFound, registry.CodeAccountNotActive, registry.CodeNoUserShare, registry.CodeTooFewParties, registry.CodePartyRefused,
			registry.CodeStorage, codeIdempotency,
		},
	}), s.ackShare)
}

func (s *server) generateShare(ctx context.Context, in *struct {
	Idempotency
	Body rest.GenerateShare
}) (*body[rest.UserShare], error) {
	session, err := s.session(in.Body.SessionID)
	if err != nil {
		return nil, err
	}
	recipient, err := recipientKey(in.Body.RecipientKey)
	if err != nil {
		return nil, err
	}
	if account := s.cfg.Registry.Account(session.Account); account == nil || account.Custody != registry.CustodyHybrid {
		return nil, newProblem(registry.CodeNoUserShare, "no user holds a share of this session's account: make one with user_share, or a keygen session with open_user_slot")
	}
	_, err = s.once(ctx, asked{route: "generate-share", body: in.Body, ref: session.ID, key: in.Idempotency}, func(m registry.Meta) (string, error) {
		if session.Waiting() == registry.WaitUser {
			err := s.cfg.Engine.Complete(session.ID, recipient, m)
			if hasCode(err, registry.CodeNotWaiting) || hasCode(err, registry.CodeFinished) {
				err = nil // another call was faster: what follows tells how it goes
			}
			return session.ID, err
		}
		return session.ID, nil
	})
	if err != nil {
		return nil, problemOf(err)
	}
	if session.Kind == protocol.KindKeygen { // a sign session's account has its key
		if session, err = s.wait(ctx, session.ID); err != nil {
			return nil, err
		}
	}
	share, err := s.userShare(ctx, session, recipient)
	if err != nil {
		return nil, problemOf(err)
	}
	return &body[rest.UserShare]{*share}, nil
}

// userShare fetches the user's share of a session's account.
func (s *server) userShare(ctx context.Context, session *registry.Session, recipient []byte) (*rest.UserShare, error) {
	if len(recipient) == 0 {
		recipient = session.Recipient
	}
	share, err := s.cfg.Engine.FetchShare(ctx, session.Account, recipient, registry.Meta{Actor: actor(ctx)})
	if err != nil {
		return nil, err
	}
	a := s.cfg.Registry.Account(session.Account)
	return &rest.UserShare{
		ID: a.KeyID, SessionID: a.KeyID, AccountID: a.ID, PublicKey: hex.EncodeToString(a.PublicKey),
		Sealed: len(recipient) > 0, RecipientKey: base64.StdEncoding.EncodeToString(recipient), Share: share.Text, ExpiresAt: share.Expires,
		SealKey: s.sealKey(a), Party: &rest.PartyName{PeerID: share.Delegate.Peer, Name: share.Delegate.Name, Role: string(protocol.Delegate)},
	}, nil
}

// firstShare is the share in the answer that makes an account. The account is
// made whether or not it can be fetched now: POST /shares/generate fetches it
// later.
func (s *server) firstShare(ctx context.Context, session *registry.Session, recipient []byte) *rest.UserShare {
	share, err := s.userShare(ctx, session, recipient)
	if err != nil {
		log.Warnw("a new account's user share could not be fetched; it can be fetched again", "session", session.ID, "error", err)
		return nil
	}
	return share
}

// sealKey shows what an account's delegate says about its key, nil if it has
// none or is away.
func (s *server) sealKey(a *registry.Account) *rest.SealKey {
	statement := s.cfg.Engine.SealKey(a)
	if len(statement) == 0 {
		return nil
	}
	key, err := protocol.OpenSealKey(statement, s.cfg.Verify)
	if err != nil {
		log.Warnw("a delegate's seal key cannot be read", "account", a.ID, "error", err)
		return nil
	}
	return &rest.SealKey{
		PeerID: key.Peer, Key: base64.StdEncoding.EncodeToString(key.Key), Statement: base64.StdEncoding.EncodeToString(statement),
	}
}

func (s *server) ackShare(ctx context.Context, in *struct {
	ByID
	Idempotency
}) (*body[rest.ShareAck], error) {
	session, err := s.session(in.ID)
	if err != nil {
		return nil, err
	}
	_, err = s.once(ctx, asked{route: "ack-share " + in.ID, ref: in.ID, key: in.Idempotency}, func(m registry.Meta) (string, error) {
		return in.ID, s.cfg.Engine.EraseShare(ctx, session.Account, m)
	})
	if err != nil {
		return nil, problemOf(err)
	}
	return &body[rest.ShareAck]{rest.ShareAck{ID: in.ID, Erased: true}}, nil
}
