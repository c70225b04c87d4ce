package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/invite"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// maxPassLife bounds sessions that devices join: what admits them to the network
// lives no longer than a day.
const maxPassLife = 24 * time.Hour

func (s *server) createSessionRoute(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "create-session", method: http.MethodPost, path: prefix + "/sessions", tag: "sessions", scope: access.Sessions, orScope: access.Sign,
		summary: "Make a session: a keygen, a keygen together with users' devices, or a signing. It is not waited for.",
		answers: map[int]any{http.StatusCreated: rest.Session{}},
		errors: []string{
			registry.CodeInvalidThreshold, registry.CodeUnknownParty, registry.CodePoolTooSmall, registry.CodeInvalidApprovers, registry.CodeBadUserShare,
			registry.CodeAccountNotFound, registry.CodeAccountNotActive, registry.CodeInvalidPayload, codeMalformedMessage, registry.CodeUserShareNeeded,
			registry.CodePartiesConflict, registry.CodeInvalidApproval, registry.CodeRequestIDUsed, registry.CodeNotConfigured,
			registry.CodeTooManySessions, registry.CodeShuttingDown, registry.CodeStorage, codeIdempotency,
		},
	}), s.createSession)
}

func (s *server) createSession(ctx context.Context, in *struct {
	Idempotency
	Body rest.CreateSession
}) (*outcome, error) {
	b := &in.Body
	start, err := s.starter(ctx, b)
	if err != nil {
		return nil, err
	}
	same := *b
	same.UserShare = given(b.UserShare)
	id, err := s.once(ctx, asked{route: "create-session", body: same, key: in.Idempotency}, start)
	if err != nil {
		return nil, problemOf(err)
	}
	session, err := s.session(id)
	if err != nil {
		return nil, err
	}
	v := s.sessionView(session)
	for i := range v.Invites { // the one answer that shows codes
		if v.Invites[i].Status == "open" {
			v.Invites[i].Code = s.cfg.Invites.Code(v.Invites[i].ID)
		}
	}
	return &outcome{Status: http.StatusCreated, Location: prefix + "/sessions/" + id, Body: v}, nil
}

// starter returns what starts the session that a body asks for.
func (s *server) starter(ctx context.Context, b *rest.CreateSession) (func(registry.Meta) (string, error), error) {
	if b.Kind == rest.KindSign {
		if err := needScope(ctx, access.Sign); err != nil {
			return nil, err
		}
		req, err := s.signSession(b)
		return func(m registry.Meta) (string, error) {
			req.Meta = m
			id, err := s.cfg.Engine.Sign(req)
			if hasCode(err, registry.CodeExternalsNeeded) { // they would be invited here
				err = notConfigured()
			}
			return id, err
		}, err
	}
	if err := needScope(ctx, access.Sessions); err != nil {
		return nil, err
	}
	req, err := s.keygenSession(b)
	return func(m registry.Meta) (string, error) {
		req.Meta = m
		return s.cfg.Engine.Keygen(req)
	}, err
}

// signSession checks a session of kind sign.
func (s *server) signSession(b *rest.CreateSession) (engine.SignRequest, error) {
	if b.AccountID == "" || b.Message == "" {
		return engine.SignRequest{}, fieldProblem(codeInvalid, "body.account_id", "a session of kind sign needs account_id and message")
	}
	req, err := signRequest(&rest.SignBody{
		Message: b.Message, Encoding: b.Encoding, Hash: b.Hash, UserShare: b.UserShare, Approvals: b.Approvals, RequestID: b.RequestID,
	}, b.AccountID)
	if b.ExternalParties > 0 {
		req.Externals = b.ExternalParties
	}
	req.Waiting = s.waiting(b)
	return req, err
}

// keygenSession checks a session of kind keygen or co_managed_keygen.
func (s *server) keygenSession(b *rest.CreateSession) (engine.KeygenRequest, error) {
	if b.UserID == "" {
		return engine.KeygenRequest{}, fieldProblem(codeInvalid, "body.user_id", "a keygen needs user_id, the owner of the account")
	}
	account := &rest.CreateAccount{
		UserID: b.UserID, Scheme: b.Scheme, Threshold: b.Threshold, Parties: b.Parties, Labels: b.Labels,
		Approvers: b.Approvers, DeviceInfo: b.DeviceInfo, UserShare: b.OpenUserSlot,
	}
	req, err := keygenRequest(account)
	if err != nil {
		return req, err
	}
	req.Open, req.Waiting = b.OpenUserSlot, s.waiting(b)
	if b.Kind == rest.KindKeygen {
		if b.ExternalParties > 0 || b.ServerParties > 0 {
			return req, fieldProblem(codeInvalid, "body.kind", "server_parties and external_parties are for the kind co_managed_keygen")
		}
		return req, nil
	}
	return req, s.coManaged(b, &req)
}

// coManaged turns a keygen into one together with users' devices.
func (s *server) coManaged(b *rest.CreateSession, req *engine.KeygenRequest) error {
	switch {
	case b.ExternalParties < 1:
		return fieldProblem(codeInvalid, "body.external_parties", "a co-managed key has at least one external party: say how many")
	case b.OpenUserSlot:
		return fieldProblem(codeInvalid, "body.open_user_slot", "a co-managed key has no user slot: users take part as external parties")
	case req.Life > maxPassLife:
		return fieldProblem(codeInvalid, "body.expires_in", "a session that devices join lives at most 86400 seconds")
	}
	n := b.ServerParties + b.ExternalParties
	t := 2
	if b.Threshold != nil {
		t = b.Threshold.T
		if b.Threshold.N != 0 && b.Threshold.N != n {
			return fieldProblem(registry.CodeInvalidThreshold, "body.threshold.n", "n is the sum of server_parties and external_parties: leave it out, or make it so")
		}
	}
	req.Custody, req.Externals, req.Threshold = registry.CustodyCoManaged, b.ExternalParties, protocol.Threshold{T: t, N: n}
	return nil
}

// waiting says how long a session waits, and how it invites.
func (s *server) waiting(b *rest.CreateSession) engine.Waiting {
	return engine.Waiting{Life: time.Duration(b.ExpiresIn) * time.Second, Invite: s.inviter()}
}

// inviter makes invites; nil when the coordinator is not configured for them.
func (s *server) inviter() func() (registry.Invite, error) {
	if s.cfg.Invites == nil {
		return nil
	}
	return func() (registry.Invite, error) {
		id, err := invite.NewID()
		if err != nil {
			return registry.Invite{}, err
		}
		return registry.Invite{ID: id, Hash: invite.Hash(s.cfg.Invites.Code(id))}, nil
	}
}

func (s *server) cancelRoute(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "cancel-session", method: http.MethodPost, path: prefix + "/sessions/{id}/cancel", tag: "sessions", scope: access.Sessions,
		summary: "End a session that has not ended. A key that was being made is never used.",
		answers: map[int]any{http.StatusOK: rest.Session{}},
		errors:  []string{registry.CodeSessionNotFound, registry.CodeFinished, registry.CodeShuttingDown, registry.CodeStorage, codeIdempotency},
	}), s.cancelSession)
}

func (s *server) cancelSession(ctx context.Context, in *struct {
	ByID
	Idempotency
}) (*body[rest.Session], error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(s.cfg.Stopping, stop)()
	_, err := s.once(ctx, asked{route: "cancel " + in.ID, ref: in.ID, key: in.Idempotency}, func(m registry.Meta) (string, error) {
		return in.ID, s.cfg.Engine.Cancel(ctx, in.ID, m)
	})
	if err != nil {
		return nil, problemOf(err)
	}
	session, err := s.session(in.ID)
	if err != nil {
		return nil, err
	}
	return &body[rest.Session]{s.sessionView(session)}, nil
}
