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

func (s *server) signingPartyRoutes(api huma.API) {
	path := prefix + "/accounts/{id}/signing-parties"
	huma.Register(api, s.operation(api, route{
		id: "get-signing-parties", method: http.MethodGet, path: path, tag: "accounts", scope: access.Read,
		summary: "Show which parties sign for an account.", errors: []string{registry.CodeAccountNotFound},
	}), s.getSigningParties)
	changes := []string{registry.CodeAccountNotFound, registry.CodeAccountNotActive, registry.CodeStorage}
	huma.Register(api, s.operation(api, route{
		id: "put-signing-parties", method: http.MethodPut, path: path, tag: "accounts", scope: access.Accounts,
		summary: "Fix which parties sign for an account, in sessions from now on.",
		errors:  append([]string{registry.CodeInvalidParties}, changes...),
	}), s.putSigningParties)
	huma.Register(api, s.operation(api, route{
		id: "delete-signing-parties", method: http.MethodDelete, path: path, tag: "accounts", scope: access.Accounts,
		summary: "Let the parties that sign for an account be chosen for each session again.", errors: changes,
		answers: map[int]any{http.StatusOK: rest.SigningPartyList{}},
	}), s.deleteSigningParties)
}

func signingPartyList(a *registry.Account) *body[rest.SigningPartyList] {
	list := rest.SigningPartyList{Fixed: len(a.Signing) > 0, Parties: partyNames(a.Signing)}
	if !list.Fixed {
		list.Parties = partyNames(a.Parties)
	}
	if list.Parties == nil {
		list.Parties = []rest.PartyName{}
	}
	return &body[rest.SigningPartyList]{list}
}

func (s *server) getSigningParties(_ context.Context, in *ByID) (*body[rest.SigningPartyList], error) {
	a := s.cfg.Registry.Account(in.ID)
	if a == nil {
		return nil, newProblem(registry.CodeAccountNotFound, fmt.Sprintf("there is no account %q", in.ID))
	}
	return signingPartyList(a), nil
}

func (s *server) putSigningParties(ctx context.Context, in *struct {
	ByID
	Body rest.SigningParties
}) (*body[rest.SigningPartyList], error) {
	a, err := s.cfg.Engine.FixSigners(in.ID, in.Body.Parties, registry.Meta{Actor: actor(ctx)})
	if err != nil {
		return nil, problemOf(err)
	}
	return signingPartyList(a), nil
}

func (s *server) deleteSigningParties(ctx context.Context, in *ByID) (*body[rest.SigningPartyList], error) {
	a, err := s.cfg.Engine.FixSigners(in.ID, nil, registry.Meta{Actor: actor(ctx)})
	if err != nil {
		return nil, problemOf(err)
	}
	return signingPartyList(a), nil
}
