package api

import (
	"context"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func (s *server) listEvents(_ context.Context, in *struct {
	ByID
	After uint64 `query:"after" doc:"Only events after this sequence."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
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
		list.Events = append(list.Events, s.eventView(&events[i], session, names))
		list.After = events[i].Seq
	}
	return &body[rest.EventList]{list}, nil
}

// eventView shows an event; names collects who is called what, from attempts
// that start.
func (s *server) eventView(e *registry.Event, session *registry.Session, names map[string]string) rest.Event {
	v := rest.Event{
		Seq: e.Seq, Time: e.Time, Type: string(e.Type), Attempt: e.Attempt, SID: e.SID, Phase: string(e.Phase),
		Round: e.Round, Rounds: e.Rounds, Code: e.Code, Detail: e.Detail,
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
	if e.Party != "" {
		v.Party = &rest.PartyName{PeerID: e.Party, Name: s.nameOf(e.Party, session, names)}
	}
	return v
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
