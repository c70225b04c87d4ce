package rest

import (
	"net/http"
	"strconv"
)

// Problem is the body of every error: an RFC 9457 problem document with a stable
// code. The codes are listed in GET /openapi.yaml, by route.
type Problem struct {
	Type      string         `json:"type" example:"about:blank"`
	Title     string         `json:"title" doc:"The HTTP status in words."`
	Status    int            `json:"status" doc:"The HTTP status."`
	Code      string         `json:"code" example:"too_few_parties" doc:"A stable word for programs."`
	Detail    string         `json:"detail" doc:"A sentence for people: what went wrong, and what to do."`
	RequestID string         `json:"request_id,omitempty" doc:"The id of this request, as in the X-Request-Id header and the coordinator's log."`
	SessionID string         `json:"session_id,omitempty" doc:"The session concerned."`
	Errors    []FieldError   `json:"errors,omitempty" doc:"What is wrong with the request, field by field."`
	Parties   []PartyProblem `json:"parties,omitempty" doc:"The parties concerned."`

	RetryAfter int `json:"-"` // seconds, the header Retry-After; 0: none
}

// FieldError is one thing wrong with a request.
type FieldError struct {
	Location string `json:"location" example:"body.threshold.t" doc:"Where in the request."`
	Message  string `json:"message" doc:"What is wrong with it."`
}

// PartyProblem is one party's part in a problem.
type PartyProblem struct {
	PeerID string `json:"peer_id"`
	Name   string `json:"name"`
	Code   string `json:"code" example:"unreachable" doc:"A stable word for what the matter is with the party."`
	Reason string `json:"reason,omitempty" example:"contradiction" doc:"Of a party that broke the protocol, or is said to have: how. See the session's blame."`
	Detail string `json:"detail,omitempty"`
}

// Error makes a Problem an error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status, for the server's framework.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of problems, for the server's framework.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders are the headers of the answer, for the server's framework.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	switch {
	case p.RetryAfter > 0:
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	case p.Status == http.StatusServiceUnavailable:
		h.Set("Retry-After", "2")
	case p.Status == http.StatusTooManyRequests:
		h.Set("Retry-After", "1")
	}
	return h
}
