package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func (s *server) approvalRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "list-approvals", method: http.MethodGet, path: prefix + "/approvals", tag: "approvals", scope: access.Read,
		summary: "List the sign sessions that wait for approvals, newest first.", errors: []string{codeInvalid, codeCursor},
	}), s.listApprovals)
	huma.Register(api, s.operation(api, route{
		id: "approve", method: http.MethodPost, path: prefix + "/sessions/{id}/approvals", tag: "approvals", scope: access.Sign,
		summary: "Approve a sign session. It begins when enough approvers have.",
		answers: map[int]any{http.StatusOK: rest.Session{}},
		errors: []string{
			registry.CodeSessionNotFound, registry.CodeFinished, registry.CodeNotWaiting, registry.CodeInvalidApproval, registry.CodeStorage, codeIdempotency,
		},
	}), s.approve)
}

func (s *server) listApprovals(_ context.Context, in *struct {
	Paging
	Account string `query:"account_id" maxLength:"64" doc:"Only sessions of this account."`
}) (*body[rest.ApprovalList], error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	list := rest.ApprovalList{Approvals: []rest.PendingApproval{}}
	open := s.cfg.Registry.Unfinished()
	slices.Reverse(open) // newest first
	var last uint64
	for _, session := range open {
		if session.Waiting() != registry.WaitApprovals || (page.Before > 0 && session.Seq >= page.Before) || (in.Account != "" && session.Account != in.Account) {
			continue
		}
		if len(list.Approvals) == page.Limit {
			list.NextCursor = cursor(last)
			break
		}
		if a := s.cfg.Registry.Account(session.Account); a != nil {
			list.Approvals = append(list.Approvals, s.pendingApproval(session, a))
			last = session.Seq
		}
	}
	return &body[rest.ApprovalList]{list}, nil
}

func (s *server) pendingApproval(session *registry.Session, a *registry.Account) rest.PendingApproval {
	approval := s.approvalView(a)
	message, hash, _ := signedView(session)
	return rest.PendingApproval{
		SessionID: session.ID, AccountID: a.ID, UserID: a.Owner, Scheme: string(a.Scheme), Message: message, Hash: hash,
		Needed: approval.M, Approvers: approval.Keys, Approved: s.cfg.Engine.ApprovedBy(session),
		Claims: claimsView(s.cfg.Engine.Claims(session.ID, &session.NewSession)), ExpiresAt: session.Expires,
	}
}

func claimsView(a protocol.Approval) rest.ApprovalClaims {
	return rest.ApprovalClaims{
		Audience: a.Network, Operation: string(a.Operation), Subject: a.Account, Key: a.Key, Epoch: a.Epoch,
		Path: a.Path, Digest: a.Digest, JTI: a.Request,
	}
}

func (s *server) approve(ctx context.Context, in *struct {
	ByID
	Idempotency
	Body rest.Approvals
}) (*body[rest.Session], error) {
	_, err := s.once(ctx, asked{route: "approve " + in.ID, body: in.Body, ref: in.ID, key: in.Idempotency}, func(m registry.Meta) (string, error) {
		return in.ID, s.cfg.Engine.Approve(in.ID, in.Body.Approvals, m)
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
