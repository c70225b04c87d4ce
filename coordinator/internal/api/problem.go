package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// Codes of problems that arise in HTTP itself; the engine's are in registry.
const (
	codeUnauthorized     = "unauthorized"
	codeForbidden        = "address_not_allowed"
	codeNotFound         = "not_found"
	codeMethod           = "method_not_allowed"
	codeTimeout          = "request_timeout"
	codeTooLarge         = "body_too_large"
	codeMediaType        = "unsupported_media_type"
	codeMalformed        = "malformed_json"
	codeInvalid          = "invalid_request"
	codeMalformedMessage = "malformed_message"
	codeDerivation       = "derivation_not_supported"
	codeHash             = "hash_not_supported"
	codeCursor           = "invalid_cursor"
	codeNotReady         = "not_ready"
)

// statuses is the HTTP status of every problem code.
var statuses = map[string]int{
	codeMalformed:                 http.StatusBadRequest,
	codeUnauthorized:              http.StatusUnauthorized,
	codeForbidden:                 http.StatusForbidden,
	codeNotFound:                  http.StatusNotFound,
	registry.CodeAccountNotFound:  http.StatusNotFound,
	registry.CodeSessionNotFound:  http.StatusNotFound,
	codeMethod:                    http.StatusMethodNotAllowed,
	codeTimeout:                   http.StatusRequestTimeout,
	registry.CodeAccountNotActive: http.StatusConflict,
	registry.CodePoolTooSmall:     http.StatusConflict,
	codeTooLarge:                  http.StatusRequestEntityTooLarge,
	codeMediaType:                 http.StatusUnsupportedMediaType,
	codeInvalid:                   http.StatusUnprocessableEntity,
	codeMalformedMessage:          http.StatusUnprocessableEntity,
	codeDerivation:                http.StatusUnprocessableEntity,
	codeHash:                      http.StatusUnprocessableEntity,
	codeCursor:                    http.StatusUnprocessableEntity,
	registry.CodeInvalidThreshold: http.StatusUnprocessableEntity,
	registry.CodeInvalidPayload:   http.StatusUnprocessableEntity,
	registry.CodeUnknownParty:     http.StatusUnprocessableEntity,
	registry.CodeStorage:          http.StatusInternalServerError,
	registry.CodeInternal:         http.StatusInternalServerError,
	registry.CodePartyRefused:     http.StatusBadGateway,
	registry.CodePartyLost:        http.StatusBadGateway,
	registry.CodeCeremonyFailed:   http.StatusBadGateway,
	registry.CodeDisagreement:     http.StatusBadGateway,
	registry.CodeBadSignature:     http.StatusBadGateway,
	codeNotReady:                  http.StatusServiceUnavailable,
	registry.CodeTooFewParties:    http.StatusServiceUnavailable,
	registry.CodeShuttingDown:     http.StatusServiceUnavailable,
	registry.CodeSessionTimeout:   http.StatusGatewayTimeout,
}

// Problem is an RFC 9457 problem document.
type Problem struct {
	Type      string         `json:"type" example:"about:blank" doc:"Always about:blank: the code tells the kind of the problem."`
	Title     string         `json:"title" example:"Service Unavailable" doc:"The status in words."`
	Status    int            `json:"status" example:"503" doc:"The HTTP status."`
	Code      string         `json:"code" example:"too_few_parties" doc:"A stable word for the kind of the problem."`
	Detail    string         `json:"detail" doc:"A sentence for people: what is wrong, and what to do."`
	RequestID string         `json:"request_id,omitempty" doc:"The id of this request, as in the X-Request-Id header and the coordinator's log."`
	SessionID string         `json:"session_id,omitempty" doc:"The session concerned."`
	Errors    []FieldError   `json:"errors,omitempty" doc:"What is wrong with the request, field by field."`
	Parties   []PartyProblem `json:"parties,omitempty" doc:"The parties concerned."`
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
	Detail string `json:"detail,omitempty"`
}

func newProblem(code, detail string) *Problem {
	status := statuses[code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// Error makes a Problem an error; huma writes it as the answer.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of problems, for huma.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders are the headers of the answer, for huma.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "2")
	}
	return h
}

// problemOf turns what the engine or the registry says into a document.
func problemOf(err error) *Problem {
	var r *registry.Problem
	if !errors.As(err, &r) {
		log.Errorw("a request failed for a reason that has no code", "error", err)
		return newProblem(registry.CodeInternal, "the coordinator failed: its log tells why")
	}
	p := newProblem(r.Code, r.Detail)
	p.SessionID = r.Session
	for _, party := range r.Parties {
		p.Parties = append(p.Parties, PartyProblem{PeerID: party.Peer, Name: party.Name, Code: string(party.Code), Detail: party.Detail})
	}
	return p
}

// fromHuma turns the framework's own errors into documents; as a transformer it
// sees every answer before it is written.
func fromHuma(ctx huma.Context, _ string, v any) (any, error) {
	switch e := v.(type) {
	case *huma.ErrorModel:
		p := newProblem(codeOfStatus(e.Status), e.Detail)
		p.Status, p.Title = e.Status, http.StatusText(e.Status) // what is on the wire already
		for _, d := range e.Errors {
			p.Errors = append(p.Errors, FieldError{Location: d.Location, Message: d.Message}) // not the value: it may be long, or a secret
		}
		p.Detail = explain(e, p)
		p.RequestID = requestID(ctx.Context())
		return p, nil
	case *Problem:
		p := *e
		p.RequestID = requestID(ctx.Context())
		return &p, nil
	}
	return v, nil
}

func explain(e *huma.ErrorModel, p *Problem) string {
	switch {
	case p.Code == codeMalformed && len(p.Errors) > 0:
		return "the body is not valid JSON: " + p.Errors[0].Message
	case p.Code == codeMalformed:
		return "the request needs a JSON body"
	case p.Code == codeMediaType:
		return "send the body as application/json"
	case p.Code == codeInvalid && len(p.Errors) > 0:
		return p.Errors[0].Location + ": " + p.Errors[0].Message
	}
	return e.Detail
}

// codeOfStatus names the framework's errors, which carry a status alone.
func codeOfStatus(status int) string {
	switch status {
	case http.StatusBadRequest:
		return codeMalformed
	case http.StatusUnsupportedMediaType:
		return codeMediaType
	case http.StatusRequestEntityTooLarge:
		return codeTooLarge
	case http.StatusRequestTimeout:
		return codeTimeout
	case http.StatusUnprocessableEntity:
		return codeInvalid
	}
	return registry.CodeInternal
}

// writeProblem answers a request that does not reach huma.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.RequestID = requestID(r.Context())
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		log.Debugw("a problem could not be written", "error", err)
	}
}
