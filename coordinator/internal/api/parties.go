package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
)

// Party is a party of the pool as the API shows it.
type Party struct {
	PeerID      string            `json:"peer_id"`
	Name        string            `json:"name"`
	State       string            `json:"state" enum:"live,draining,missing" doc:"missing: no heartbeat for 3 seconds, or not connected."`
	Software    string            `json:"software" doc:"The version that it runs."`
	Labels      map[string]string `json:"labels,omitempty"`
	Sessions    int               `json:"sessions" doc:"Sessions that it runs."`
	Stock       int               `json:"stock" doc:"Fresh pre-parameters for ECDSA keys."`
	Keys        int               `json:"keys" doc:"Active shares that it holds."`
	ClockSkewMS int64             `json:"clock_skew_ms" doc:"Its clock minus the coordinator's."`
	LastSeen    time.Time         `json:"last_seen" doc:"Of its last heartbeat."`
}

// PartyList is the pool.
type PartyList struct {
	Parties []Party `json:"parties"`
}

func (s *server) partyRoute(api huma.API) {
	huma.Register(api, s.operation(api, route{
		id: "list-parties", method: http.MethodGet, path: prefix + "/parties", tag: "operation",
		summary: "List the parties seen since the coordinator started.",
	}), func(context.Context, *none) (*body[PartyList], error) {
		all := s.cfg.Pool.All()
		list := PartyList{Parties: make([]Party, 0, len(all))}
		for _, p := range all {
			list.Parties = append(list.Parties, partyView(p))
		}
		return &body[PartyList]{list}, nil
	})
}

func partyView(p pool.Party) Party {
	state := "missing"
	if p.Live {
		state = "live"
		if p.Draining {
			state = "draining"
		}
	}
	return Party{
		PeerID: p.Peer, Name: p.Name, State: state, Software: p.Software, Labels: p.Labels, Sessions: p.Sessions,
		Stock: p.Stock, Keys: p.Keys, ClockSkewMS: p.Skew.Milliseconds(), LastSeen: p.Seen.UTC(),
	}
}
