package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// eventRoute is one route with two forms: a list, and a stream that follows.
func (s *server) eventRoute(api huma.API) {
	op := s.operation(api, route{
		id: "list-session-events", method: http.MethodGet, path: prefix + "/sessions/{id}/events", tag: "sessions", scope: access.Read, join: joinByToken,
		summary: "List what happened in a session, oldest first; with Accept: text/event-stream, follow it as it happens.",
		answers: map[int]any{http.StatusOK: rest.EventList{}},
		errors:  []string{registry.CodeSessionNotFound, codeInvalid, codeStreams},
	})
	describeStream(&op)
	op.Middlewares = huma.Middlewares{s.orStream}
	huma.Register(api, op, s.listEvents)
}

func (s *server) listEvents(ctx context.Context, in *struct {
	ByID
	After uint64 `query:"after" doc:"Only events after this sequence."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200" doc:"Events of a page; a stream has no pages."`
}) (*body[rest.EventList], error) {
	session, err := s.session(in.ID)
	if err != nil {
		return nil, err
	}
	events, err := s.cfg.Registry.Events(registry.SessionStream(session.ID), in.After, in.Limit)
	if err != nil {
		return nil, problemOf(err)
	}
	list := rest.EventList{Events: make([]rest.Event, 0, len(events)), After: in.After}
	names := make(map[string]string)
	for i := range events {
		v := s.eventView(&events[i], session, names)
		if access.From(ctx).Session != "" {
			v.Actor = nil // a user's device need not know the operator's keys and addresses
		}
		list.Events = append(list.Events, v)
		list.After = events[i].Seq
	}
	return &body[rest.EventList]{list}, nil
}

// eventView shows an event; names collects who is called what, from attempts
// that start.
func (s *server) eventView(e *registry.Event, session *registry.Session, names map[string]string) rest.Event {
	v := rest.Event{
		Seq: e.Seq, Time: e.Time, Type: string(e.Type), Attempt: e.Attempt, SID: e.SID, Phase: string(e.Phase),
		Round: e.Round, Rounds: e.Rounds, Code: e.Code, Detail: e.Detail, Actor: actorView(e.Actor),
	}
	if e.Problem != nil && v.Detail == "" {
		v.Detail = e.Problem.Detail
	}
	if e.Start != nil {
		for _, p := range e.Start.Parties {
			names[p.Peer] = p.Name
			v.Roster = append(v.Roster, p.Peer)
		}
	}
	if e.Joined != nil {
		v.Party = &rest.PartyName{PeerID: e.Joined.Peer, Name: e.Joined.Name, Role: string(e.Joined.Member().Role)}
	}
	if e.Party != "" {
		party := s.partyName(e.Party, session, names)
		v.Party = &party
	}
	v.Blame = s.eventBlame(e, session, names)
	return v
}

func actorView(a *registry.Actor) *rest.Actor {
	if a == nil {
		return nil
	}
	return &rest.Actor{Key: a.Key, KeyName: a.KeyName, Client: a.Client, RequestID: a.Request}
}

func (s *server) nameOf(peer string, session *registry.Session, names map[string]string) string {
	if name := names[peer]; name != "" {
		return name
	}
	for _, m := range session.Members {
		if m.Peer == peer {
			return m.Name
		}
	}
	p, _ := s.cfg.Pool.Party(peer)
	return p.Name
}
