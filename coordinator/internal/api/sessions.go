package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// Session is a session as the API shows it.
type Session struct {
	ID              string         `json:"id"`
	Kind            string         `json:"kind" enum:"keygen,sign"`
	Status          string         `json:"status" enum:"created,running,completed,failed,cancelled,expired"`
	AccountID       string         `json:"account_id"`
	Scheme          string         `json:"scheme"`
	ThresholdT      int            `json:"threshold_t"`
	ThresholdN      int            `json:"threshold_n"`
	KeygenSessionID string         `json:"keygen_session_id"`
	Message         string         `json:"message,omitempty" doc:"Hex. Sign sessions: the bytes to sign."`
	Attempt         uint32         `json:"attempt" doc:"The attempt that runs or was the last, from 1; 0 before the first."`
	SID             string         `json:"sid,omitempty" doc:"Hex: identifies the attempt among the parties."`
	Parties         []SessionParty `json:"parties" doc:"The parties of the attempt."`
	Signature       *Signature     `json:"signature,omitempty" doc:"Sign sessions that are completed."`
	CreatedAt       time.Time      `json:"created_at"`
	ExpiresAt       time.Time      `json:"expires_at"`
	FinishedAt      *time.Time     `json:"finished_at,omitempty"`
	Error           *Problem       `json:"error,omitempty" doc:"Why the session ended without a result."`
}

// SessionParty is a party in an attempt.
type SessionParty struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	State  string `json:"state" enum:"invited,accepted,refused,running,finished,failed,lost"`
	Phase  string `json:"phase,omitempty"`
	Round  int    `json:"round" doc:"The round whose messages the party collects; 0 outside of rounds."`
	Rounds int    `json:"rounds" doc:"The number of rounds, once known."`
}

func sessionView(s *registry.Session) Session {
	v := Session{
		ID: s.ID, Kind: string(s.Kind), Status: string(s.Status), AccountID: s.Account, Scheme: string(s.Scheme),
		ThresholdT: s.Threshold.T, ThresholdN: s.Threshold.N, KeygenSessionID: s.KeyID, Message: hex.EncodeToString(s.Payload),
		Attempt: s.Attempt, SID: s.SID, Parties: make([]SessionParty, 0, len(s.Members)), CreatedAt: s.Created, ExpiresAt: s.Expires,
	}
	for _, m := range s.Members {
		v.Parties = append(v.Parties, SessionParty{
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

// SessionList is a page of sessions.
type SessionList struct {
	Sessions   []Session `json:"sessions"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"For the next page; none: this is the last."`
}

func (s *server) sessionRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "list-sessions", method: http.MethodGet, path: prefix + "/sessions", tag: "sessions",
		summary: "List sessions, newest first.", errors: []string{codeInvalid, codeCursor},
	}), s.listSessions)
	huma.Register(api, s.operation(api, route{
		id: "get-session", method: http.MethodGet, path: prefix + "/sessions/{id}", tag: "sessions",
		summary: "Show a session.", errors: []string{registry.CodeSessionNotFound},
	}), s.getSession)
	huma.Register(api, s.operation(api, route{
		id: "list-session-events", method: http.MethodGet, path: prefix + "/sessions/{id}/events", tag: "sessions",
		summary: "List what happened in a session, oldest first.", errors: []string{registry.CodeSessionNotFound, codeInvalid},
	}), s.listEvents)
}

func (s *server) listSessions(_ context.Context, in *struct {
	Paging
	Kind    string `query:"kind" enum:"keygen,sign" doc:"Only sessions of this kind."`
	Status  string `query:"status" enum:"created,running,completed,failed,cancelled,expired" doc:"Only sessions in this status."`
	Account string `query:"account_id" maxLength:"64" doc:"Only sessions of this account."`
}) (*body[SessionList], error) {
	page, err := in.page()
	if err != nil {
		return nil, err
	}
	sessions, next := s.cfg.Registry.Sessions(registry.SessionFilter{
		Kind: protocol.Kind(in.Kind), Status: registry.Status(in.Status), Account: in.Account,
	}, page)
	list := SessionList{Sessions: make([]Session, 0, len(sessions)), NextCursor: cursor(next)}
	for _, session := range sessions {
		list.Sessions = append(list.Sessions, sessionView(session))
	}
	return &body[SessionList]{list}, nil
}

func (s *server) session(id string) (*registry.Session, error) {
	session := s.cfg.Registry.Session(id)
	if session == nil {
		return nil, newProblem(registry.CodeSessionNotFound, fmt.Sprintf("there is no session %q", id))
	}
	return session, nil
}

func (s *server) getSession(_ context.Context, in *ByID) (*body[Session], error) {
	session, err := s.session(in.ID)
	if err != nil {
		return nil, err
	}
	return &body[Session]{sessionView(session)}, nil
}
