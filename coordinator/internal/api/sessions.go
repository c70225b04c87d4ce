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

func sessionView(s *registry.Session) rest.Session {
	v := rest.Session{
		ID: s.ID, Kind: string(s.Kind), Status: string(s.Status), AccountID: s.Account, Scheme: string(s.Scheme),
		ThresholdT: s.Threshold.T, ThresholdN: s.Threshold.N, KeygenSessionID: s.KeyID,
		Attempt: s.Attempt, SID: s.SID, Parties: make([]rest.SessionParty, 0, len(s.Members)), CreatedAt: s.Created, ExpiresAt: s.Expires,
	}
	if s.Kind == protocol.KindSign {
		v.Message, v.Hash, v.Digest = signedView(s)
	}
	for _, m := range s.Members {
		v.Parties = append(v.Parties, rest.SessionParty{
			PeerID: m.Peer, Name: m.Name, State: m.State, Phase: string(m.Phase), Round: m.Round, Rounds: m.Rounds,
		})
	}
	if s.Signature != nil {
		sig := signatureView(s.Scheme, s.Signature)
		v.Signature = &sig
	}
	if !s.Finished.IsZero() {
		v.FinishedAt = &s.Finished
	}
	if s.Problem != nil {
		v.Error = problemOf(s.Problem)
	}
	return v
}

func (s *server) sessionRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "list-sessions", method: http.MethodGet, path: prefix + "/sessions", tag: "sessions", scope: access.Read,
		summary: "List sessions, newest first.", errors: []string{codeInvalid, codeCursor},
	}), s.listSessions)
	huma.Register(api, s.operation(api, route{
		id: "get-session", method: http.MethodGet, path: prefix + "/sessions/{id}", tag: "sessions", scope: access.Read,
		summary: "Show a session.", errors: []string{registry.CodeSessionNotFound},
	}), s.getSession)
	huma.Register(api, s.operation(api, route{
		id: "list-session-events", method: http.MethodGet, path: prefix + "/sessions/{id}/events", tag: "sessions", scope: access.Read,
		summary: "List what happened in a session, oldest first.", errors: []string{registry.CodeSessionNotFound, codeInvalid},
	}), s.listEvents)
}

func (s *server) listSessions(_ context.Context, in *struct {
	Paging
	Kind    string `query:"kind" enum:"keygen,sign" doc:"Only sessions of this kind."`
	Status  string `query:"status" enum:"created,running,completed,failed,cancelled,expired" doc:"Only sessions in this status."`
	Account string `query:"account_id" maxLength:"64" doc:"Only sessions of this account."`
}) (*body[rest.SessionList], error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	sessions, next := s.cfg.Registry.Sessions(registry.SessionFilter{
		Kind: protocol.Kind(in.Kind), Status: registry.Status(in.Status), Account: in.Account,
	}, page)
	list := rest.SessionList{Sessions: make([]rest.Session, 0, len(sessions)), NextCursor: cursor(next)}
	for _, session := range sessions {
		list.Sessions = append(list.Sessions, sessionView(session))
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
	return &body[rest.Session]{sessionView(session)}, nil
}
