package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

type none struct{}

type body[T any] struct{ Body T }

func (s *server) healthRoutes(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "health", method: http.MethodGet, path: pathHealth, summary: "Is the process alive?", tag: "operation", open: true,
	}), func(context.Context, *none) (*body[rest.Health], error) {
		return &body[rest.Health]{rest.Health{Status: "ok"}}, nil
	})
	huma.Register(api, s.operation(api, route{
		id: "ready", method: http.MethodGet, path: pathReady, summary: "Can sessions run? 503 with the reasons if not.", tag: "operation",
		open: true, errors: []string{codeNotReady},
	}), s.ready)
}

func (s *server) ready(context.Context, *none) (*body[rest.Ready], error) {
	parties := s.cfg.Pool.Live()
	live := len(parties)
	var reasons []rest.FieldError
	if live < protocol.MinThreshold {
		reasons = append(reasons, rest.FieldError{
			Location: "pool", Message: fmt.Sprintf("%d parties are live and at least %d are needed for any session", live, protocol.MinThreshold),
		})
	}
	if s.cfg.Engine.IsDraining() {
		reasons = append(reasons, rest.FieldError{Location: "coordinator", Message: "it is shutting down"})
	}
	if len(reasons) > 0 {
		p := newProblem(codeNotReady, "sessions cannot run: "+reasons[0].Message)
		p.Errors = reasons
		return nil, p
	}
	return &body[rest.Ready]{rest.Ready{Status: "ready", Parties: live, Stock: stockOf(parties)}}, nil
}

// stockOf counts the pre-parameters of parties that make keys.
func stockOf(parties []pool.Party) (s rest.Stock) {
	first := true
	for _, p := range parties {
		if p.Delegate {
			continue // it takes part in few keygens, and would hide what the others have
		}
		s.Total += p.Stock
		if first || p.Stock < s.Min {
			s.Min, first = p.Stock, false
		}
	}
	return s
}
