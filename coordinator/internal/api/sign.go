package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// signRequest decodes and checks the body.
func signRequest(b *rest.SignBody, account string) (engine.SignRequest, error) {
	req := engine.SignRequest{
		Account: account, UserShare: b.UserShare, Approvals: b.Approvals, RequestID: b.RequestID, Externals: -1,
	}
	if b.DerivationPath != "" {
		return req, newProblem(codeDerivation, "this version signs with the account's key itself: leave derivation_path out")
	}
	if len(b.Approvals) > 0 && b.RequestID == "" {
		return req, fieldProblem(registry.CodeInvalidApproval, "body.request_id", "approvals name the request that they are for: send its id as request_id")
	}
	m, err := readMessage(b.Message, b.Encoding, b.Hash)
	req.Payload, req.Message, req.Hash = m.payload, m.message, m.hash
	return req, err
}

func (s *server) signRoute(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "sign", method: http.MethodPost, path: prefix + "/accounts/{id}/sign", tag: "accounts", scope: access.Sign,
		summary: "Sign with an account. The signature was verified under the account's public key.",
		answers: map[int]any{http.StatusOK: rest.SignResult{}, http.StatusAccepted: rest.Session{}},
		errors: append([]string{
			registry.CodeAccountNotFound, registry.CodeAccountNotActive, registry.CodeInvalidPayload,
			codeMalformedMessage, codeDerivation, registry.CodeUserShareNeeded, registry.CodeBadUserShare, registry.CodeExternalsNeeded,
			registry.CodePartiesConflict, registry.CodeInvalidApproval, registry.CodeRequestIDUsed,
		}, startErrors...),
	}), s.sign)
}

func (s *server) sign(ctx context.Context, in *struct {
	ByID
	Preference
	Idempotency
	Body rest.SignBody
}) (*outcome, error) {
	if s.cfg.Registry.Account(in.ID) == nil {
		return nil, newProblem(registry.CodeAccountNotFound, fmt.Sprintf("there is no account %q", in.ID))
	}
	req, err := signRequest(&in.Body, in.ID)
	if err != nil {
		return nil, err
	}
	id, err := s.once(ctx, asked{route: "sign " + in.ID, body: withoutSeal(in.Body), key: in.Idempotency}, func(meta registry.Meta) (string, error) {
		req.Meta = meta
		return s.cfg.Engine.Sign(req)
	})
	if err != nil {
		return nil, problemOf(err)
	}
	return s.follow(ctx, in.Preference, id, func(session *registry.Session) (*outcome, error) {
		return &outcome{Status: http.StatusOK, Body: signResult(s.whole(session), s.cfg.Registry.Account(in.ID))}, nil
	})
}

// withoutSeal is a body without what differs from one sealing of a user's share to
// the next: a repeated request may have sealed the share again.
func withoutSeal(b rest.SignBody) rest.SignBody {
	b.UserShare = given(b.UserShare)
	return b
}

func given(share string) string {
	if share == "" {
		return ""
	}
	return "given"
}
