package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/protocol"
)

// Health is the answer of GET /health.
type Health struct {
	Status string `json:"status" example:"ok" doc:"Always ok: the process answers."`
}

// Ready is the answer of GET /ready.
type Ready struct {
	Status  string `json:"status" example:"ready"`
	Parties int    `json:"live_parties" doc:"Parties that can take part in a session now."`
}

type none struct{}

type body[T any] struct{ Body T }

func (s *server) healthRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "health", method: http.MethodGet, path: pathHealth, summary: "Is the process alive?", tag: "operation", open: true,
	}), func(context.Context, *none) (*body[Health], error) {
		return &body[Health]{Health{Status: "ok"}}, nil
	})
	huma.Register(api, s.operation(api, route{
		id: "ready", method: http.MethodGet, path: pathReady, summary: "Can sessions run? 503 with the reasons if not.", tag: "operation",
		open: true, errors: []string{codeNotReady},
	}), s.ready)
}

func (s *server) ready(context.Context, *none) (*body[Ready], error) {
	live := len(s.cfg.Pool.Live())
	var reasons []FieldError
	if live < protocol.MinThreshold {
		reasons = append(reasons, FieldError{
			Location: "pool", Message: fmt.Sprintf("%d parties are live and at least %d are needed for any session", live, protocol.MinThreshold),
		})
	}
	if s.cfg.Engine.IsDraining() {
		reasons = append(reasons, FieldError{Location: "coordinator", Message: "it is shutting down"})
	}
	if len(reasons) > 0 {
		p := newProblem(codeNotReady, "sessions cannot run: "+reasons[0].Message)
		p.Errors = reasons
		return nil, p
	}
	return &body[Ready]{Ready{Status: "ready", Parties: live}}, nil
}
