package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

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
		Status: http.StatusAccepted, Location: prefix + "/sessions/" + session,
		Body: s.sessionView(s.cfg.Registry.Session(session)),
	}
}

// follow answers a call that has started a session: at once if the caller
// prefers that or the session waits for people, otherwise when it has ended well.
func (s *server) follow(ctx context.Context, p Preference, id string, done func(*registry.Session) (*outcome, error)) (*outcome, error) {
	if p.async() {
		out := s.accepted(id)
		out.Applied = "respond-async"
		return out, nil
	}
	if session := s.cfg.Registry.Session(id); session != nil && session.Waiting() != "" {
		return s.accepted(id), nil
	}
	session, err := s.wait(ctx, id)
	if err != nil {
		return nil, err
	}
	return done(session)
}
