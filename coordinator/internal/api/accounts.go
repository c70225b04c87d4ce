package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func (s *server) accountRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "create-account", method: http.MethodPost, path: prefix + "/accounts", tag: "accounts", scope: access.Accounts,
		summary: "Make an account: the parties generate a key that exists only as shares.",
		answers: map[int]any{http.StatusCreated: rest.Account{}, http.StatusAccepted: rest.Session{}},
		errors: append([]string{
			registry.CodeInvalidThreshold, registry.CodeUnknownParty, registry.CodePoolTooSmall, registry.CodeInvalidApprovers, registry.CodeBadUserShare,
			registry.CodeInvalidPresign,
			registry.CodeDisagreement,
		}, startErrors...),
	}), s.createAccount)
	huma.Register(api, s.operation(api, route{
		id: "list-accounts", method: http.MethodGet, path: prefix + "/accounts", tag: "accounts", scope: access.Read,
		summary: "List accounts, newest first.", errors: []string{codeInvalid, codeCursor},
	}), s.listAccounts)
	huma.Register(api, s.operation(api, route{
		id: "get-account", method: http.MethodGet, path: prefix + "/accounts/{id}", tag: "accounts", scope: access.Read,
		summary: "Show an account.", errors: []string{registry.CodeAccountNotFound},
	}), s.getAccount)
}

// sessionErrors are the codes of calls that wait for a session.
var sessionErrors = []string{
	registry.CodeTooFewParties, registry.CodePartyRefused, registry.CodePartyLost, registry.CodeCeremonyFailed,
	registry.CodeBadSignature, registry.CodeSessionTimeout, registry.CodeCancelled, registry.CodeShuttingDown, registry.CodeStorage,
}

// startErrors are the codes of calls that start a session and wait for it.
var startErrors = append([]string{registry.CodeTooManySessions, codeIdempotency}, sessionErrors...)

func (s *server) createAccount(ctx context.Context, in *struct {
	Preference
	Idempotency
	Body rest.CreateAccount
}) (*outcome, error) {
	req, err := keygenRequest(&in.Body)
	if err != nil {
		return nil, err
	}
	id, err := s.once(ctx, asked{route: "create-account", body: in.Body, key: in.Idempotency}, func(meta registry.Meta) (string, error) {
		req.Meta = meta
		return s.cfg.Engine.Keygen(req)
	})
	if err != nil {
		return nil, problemOf(err)
	}
	return s.follow(ctx, in.Preference, id, func(session *registry.Session) (*outcome, error) {
		account, err := s.accountView(s.cfg.Registry.Account(session.Account))
		if err != nil {
			return nil, problemOf(err)
		}
		if in.Body.UserShare {
			account.UserShare = s.firstShare(ctx, session, req.Recipient)
		}
		return &outcome{Status: http.StatusCreated, Location: prefix + "/accounts/" + account.ID, Body: account}, nil
	})
}

func (s *server) listAccounts(_ context.Context, in *struct {
	Paging
	UserID string `query:"user_id" maxLength:"128" doc:"Only accounts of this owner."`
}) (*body[rest.AccountList], error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	accounts, next := s.cfg.Registry.Accounts(in.UserID, page)
	list := rest.AccountList{Accounts: make([]rest.Account, 0, len(accounts)), NextCursor: cursor(next)}
	for _, a := range accounts {
		v, err := s.accountView(a)
		if err != nil {
			return nil, problemOf(err)
		}
		list.Accounts = append(list.Accounts, v)
	}
	return &body[rest.AccountList]{list}, nil
}

type ByID struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *server) getAccount(_ context.Context, in *ByID) (*body[rest.Account], error) {
	a := s.cfg.Registry.Account(in.ID)
	if a == nil {
		return nil, newProblem(registry.CodeAccountNotFound, fmt.Sprintf("there is no account %q", in.ID))
	}
	v, err := s.accountView(a)
	if err != nil {
		return nil, problemOf(err)
	}
	return &body[rest.Account]{v}, nil
}
