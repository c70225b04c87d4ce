package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// Threshold is a threshold t-of-n.
type Threshold struct {
	T int `json:"t" doc:"Parties needed to sign, at least 2."`
	N int `json:"n" doc:"Parties that hold a share, at most 32."`
}

const (
	maxLabels     = 32
	maxLabelBytes = 256
)

func keygenRequest(b *rest.CreateAccount) (engine.KeygenRequest, error) {
	req := engine.KeygenRequest{
		Owner: b.UserID, Threshold: protocol.Threshold{T: 2, N: 3}, Parties: b.Parties, Labels: b.Labels,
	}
	var err error
	if req.Scheme, err = protocol.ParseScheme(b.Scheme); err != nil {
		return req, newProblem(codeInvalid, err.Error())
	}
	if b.Threshold != nil {
		req.Threshold = protocol.Threshold{T: b.Threshold.T, N: b.Threshold.N}
	}
	if len(b.Labels) > maxLabels {
		return req, newProblem(codeInvalid, fmt.Sprintf("an account has at most %d labels", maxLabels))
	}
	for k, v := range b.Labels {
		if k == "" || len(k) > maxLabelBytes || len(v) > maxLabelBytes {
			return req, newProblem(codeInvalid, fmt.Sprintf("a label's name and value have at most %d bytes, and the name at least 1", maxLabelBytes))
		}
	}
	return req, nil
}

// Preference is the header that asks not to wait (RFC 7240).
type Preference struct {
	Prefer string `header:"Prefer" maxLength:"256" doc:"respond-async: answer 202 at once, with the session's Location."`
}

func (p Preference) async() bool {
	for _, part := range strings.Split(p.Prefer, ",") {
		token, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(token), "respond-async") {
			return true
		}
	}
	return false
}

// outcome is the answer of a call that starts a session.
type outcome struct {
	Status   int
	Location string `header:"Location"`
	Applied  string `header:"Preference-Applied"`
	Body     any
}

// accepted answers 202.
func (s *server) accepted(session string) *outcome {
	return &outcome{
		Status: http.StatusAccepted, Location: prefix + "/sessions/" + session, Applied: "respond-async",
		Body: sessionView(s.cfg.Registry.Session(session)),
	}
}

// follow answers a call that has started a session: at once if the caller
// prefers that, otherwise when the session has ended well.
func (s *server) follow(ctx context.Context, p Preference, id string, done func(*registry.Session) (*outcome, error)) (*outcome, error) {
	if p.async() {
		return s.accepted(id), nil
	}
	session, err := s.wait(ctx, id)
	if err != nil {
		return nil, err
	}
	return done(session)
}

func (s *server) accountRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "create-account", method: http.MethodPost, path: prefix + "/accounts", tag: "accounts", scope: access.Accounts,
		summary: "Make an account: the parties generate a key that exists only as shares.",
		answers: map[int]any{http.StatusCreated: rest.Account{}, http.StatusAccepted: rest.Session{}},
		errors: append([]string{
			registry.CodeInvalidThreshold, registry.CodeUnknownParty, registry.CodePoolTooSmall,
		}, sessionErrors...),
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
	registry.CodeDisagreement, registry.CodeBadSignature, registry.CodeSessionTimeout, registry.CodeShuttingDown, registry.CodeStorage,
}

func (s *server) createAccount(ctx context.Context, in *struct {
	Preference
	Body rest.CreateAccount
}) (*outcome, error) {
	req, err := keygenRequest(&in.Body)
	if err != nil {
		return nil, err
	}
	id, err := s.cfg.Engine.Keygen(req)
	if err != nil {
		return nil, problemOf(err)
	}
	return s.follow(ctx, in.Preference, id, func(session *registry.Session) (*outcome, error) {
		account, err := s.accountView(s.cfg.Registry.Account(session.Account))
		if err != nil {
			return nil, problemOf(err)
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
