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

func (s *server) presignRoutes(api huma.API) {
	path := prefix + "/accounts/{id}/presign"
	huma.Register(api, s.operation(api, route{
		id: "get-presign", method: http.MethodGet, path: path, tag: "accounts", scope: access.Read,
		summary: "Show an account's presignatures.", errors: []string{registry.CodeAccountNotFound},
	}), s.getPresign)
	changes := []string{registry.CodeAccountNotFound, registry.CodeAccountNotActive, registry.CodeStorage}
	huma.Register(api, s.operation(api, route{
		id: "put-presign", method: http.MethodPut, path: path, tag: "accounts", scope: access.Accounts,
		summary: "Say how many presignatures an account keeps.",
		errors:  append([]string{registry.CodeInvalidPresign}, changes...),
	}), s.putPresign)
	huma.Register(api, s.operation(api, route{
		id: "delete-presign", method: http.MethodDelete, path: path, tag: "accounts", scope: access.Accounts,
		summary: "Let the coordinator's default hold for an account's presignatures again.", errors: changes,
		answers: map[int]any{http.StatusOK: rest.Presigning{}},
	}), s.deletePresign)
}

// presigning shows how an account presigns; nil if it cannot.
func (s *server) presigning(a *registry.Account) *rest.Presigning {
	p, can := s.cfg.Engine.Presigning(a)
	if !can {
		return nil
	}
	return &rest.Presigning{Set: p.Set, Target: p.Target, TTL: p.TTL, Stock: p.Stock}
}

func (s *server) presignAnswer(a *registry.Account) *body[rest.Presigning] {
	if v := s.presigning(a); v != nil {
		return &body[rest.Presigning]{*v}
	}
	return &body[rest.Presigning]{rest.Presigning{}} // it has none
}

func (s *server) getPresign(_ context.Context, in *ByID) (*body[rest.Presigning], error) {
	a := s.cfg.Registry.Account(in.ID)
	if a == nil {
		return nil, newProblem(registry.CodeAccountNotFound, fmt.Sprintf("there is no account %q", in.ID))
	}
	return s.presignAnswer(a), nil
}

func (s *server) putPresign(ctx context.Context, in *struct {
	ByID
	Body rest.Presign
}) (*body[rest.Presigning], error) {
	return s.setPresign(ctx, in.ID, presignRequest(&in.Body))
}

func (s *server) deletePresign(ctx context.Context, in *ByID) (*body[rest.Presigning], error) {
	return s.setPresign(ctx, in.ID, nil)
}

func (s *server) setPresign(ctx context.Context, id string, p *registry.Presign) (*body[rest.Presigning], error) {
	a, err := s.cfg.Engine.SetPresign(id, p, registry.Meta{Actor: actor(ctx)})
	if err != nil {
		return nil, problemOf(err)
	}
	return s.presignAnswer(a), nil
}

// presignRequest is a setting as the engine has it; nil: none.
func presignRequest(p *rest.Presign) *registry.Presign {
	if p == nil {
		return nil
	}
	return &registry.Presign{Target: p.Target, TTL: p.TTL}
}
