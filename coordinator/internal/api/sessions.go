package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func (s *server) sessionRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "list-sessions", method: http.MethodGet, path: prefix + "/sessions", tag: "sessions", scope: access.Read,
		summary: "List sessions, newest first.", errors: []string{codeInvalid, codeCursor},
	}), s.listSessions)
	huma.Register(api, s.operation(api, route{
		id: "get-session", method: http.MethodGet, path: prefix + "/sessions/{id}", tag: "sessions", scope: access.Read,
		join: joinByToken, summary: "Show a session.", errors: []string{registry.CodeSessionNotFound},
	}), s.getSession)
	s.eventRoute(api)
}

func (s *server) listSessions(_ context.Context, in *struct {
	Paging
	Kind    string `query:"kind" enum:"keygen,co_managed_keygen,sign" doc:"Only sessions of this kind."`
	Status  string `query:"status" enum:"created,running,completed,failed,cancelled,expired" doc:"Only sessions in this status."`
	Account string `query:"account_id" maxLength:"64" doc:"Only sessions of this account."`
}) (*body[rest.SessionList], error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	filter := registry.SessionFilter{Kind: protocol.Kind(in.Kind), Status: registry.Status(in.Status), Account: in.Account}
	if in.Kind == rest.KindCoManagedKeygen {
		filter.Kind, filter.Custody = protocol.KindKeygen, registry.CustodyCoManaged
	}
	sessions, next := s.cfg.Registry.Sessions(filter, page)
	list := rest.SessionList{Sessions: make([]rest.Session, 0, len(sessions)), NextCursor: cursor(next)}
	for _, session := range sessions {
		list.Sessions = append(list.Sessions, s.listedView(session))
	}
	return &body[rest.SessionList]{list}, nil
}

func (s *server) session(id string) (*registry.Session, error) {
	session := s.cfg.Registry.Session(id)
	if session == nil {
		return nil, newProblem(registry.CodeSessionNotFound, fmt.Sprintf("there is no session %q", id))
	}
	return session, nil
}

func (s *server) getSession(_ context.Context, in *ByID) (*body[rest.Session], error) {
	session, err := s.session(in.ID)
	if err != nil {
		return nil, err
	}
	return &body[rest.Session]{s.sessionView(session)}, nil
}
