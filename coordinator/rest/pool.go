package rest

import "time"

// Party is a party of the pool as the API shows it.
type Party struct {
	PeerID        string            `json:"peer_id"`
	Name          string            `json:"name"`
	State         string            `json:"state" enum:"live,draining,missing" doc:"missing: no heartbeat for 3 seconds, or not connected."`
	Software      string            `json:"software" doc:"The version that it runs."`
	Labels        map[string]string `json:"labels,omitempty"`
	Sessions      int               `json:"sessions" doc:"Sessions that it runs."`
	Stock         int               `json:"stock" doc:"Fresh pre-parameters for ECDSA keys."`
	Presignatures int               `json:"presignatures" doc:"Presignatures that it holds."`
	Keys          int               `json:"keys" doc:"Active shares that it holds."`
	ClockSkewMS   int64             `json:"clock_skew_ms" doc:"Its clock minus the coordinator's."`
	LastSeen      time.Time         `json:"last_seen" doc:"Of its last heartbeat."`
}

// PartyList is the pool.
type PartyList struct {
	Parties []Party `json:"parties"`
}

// Health is the answer of GET /health.
type Health struct {
	Status string `json:"status" example:"ok" doc:"Always ok: the process answers."`
}

// Ready is the answer of GET /ready.
type Ready struct {
	Status  string `json:"status" example:"ready"`
	Parties int    `json:"live_parties" doc:"Parties that can take part in a session now."`
	Stock   Stock  `json:"preparameters" doc:"Fresh pre-parameters for ECDSA keys: each key takes a set of each of its parties."`
}

// Stock is how many sets of pre-parameters the live parties have.
type Stock struct {
	Min   int `json:"min" doc:"At the party that has the fewest."`
	Total int `json:"total" doc:"At all parties."`
}
