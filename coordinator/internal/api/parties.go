package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func (s *server) partyRoute(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "list-parties", method: http.MethodGet, path: prefix + "/parties", tag: "operation", scope: access.Read,
		summary: "List the parties seen since the coordinator started.",
	}), func(context.Context, *none) (*body[rest.PartyList], error) {
		all := s.cfg.Pool.All()
		list := rest.PartyList{Parties: make([]rest.Party, 0, len(all))}
		for _, p := range all {
			list.Parties = append(list.Parties, partyView(p))
		}
		return &body[rest.PartyList]{list}, nil
	})
}

func partyView(p pool.Party) rest.Party {
	state := "missing"
	if p.Live {
		state = "live"
		if p.Draining {
			state = "draining"
		}
	}
	return rest.Party{
		PeerID: p.Peer, Name: p.Name, State: state, Software: p.Software, Labels: p.Labels, Sessions: p.Sessions,
		Stock: p.Stock, Presignatures: p.Held, Keys: p.Keys, ClockSkewMS: p.Skew.Milliseconds(), LastSeen: p.Seen.UTC(),
	}
}
