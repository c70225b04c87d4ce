package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func newProblem(code, detail string) *rest.Problem {
	status := meanings[code].status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return &rest.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// problemOf turns what the engine or the registry says into a document.
func problemOf(err error) *rest.Problem {
	var own *rest.Problem
	if errors.As(err, &own) {
		return own
	}
	var r *registry.Problem
	if !errors.As(err, &r) {
		log.Errorw("a request failed for a reason that has no code", "error", err)
		return newProblem(registry.CodeInternal, "the coordinator failed: its log tells why")
	}
	p := newProblem(r.Code, r.Detail)
	p.SessionID, p.RetryAfter = r.Session, wholeSeconds(r.Retry)
	for _, party := range r.Parties {
		p.Parties = append(p.Parties, rest.PartyProblem{PeerID: party.Peer, Name: party.Name, Code: string(party.Code), Reason: string(party.Reason), Detail: party.Detail})
	}
	return p
}

// hasCode reports whether an error of the engine has a code.
func hasCode(err error, code string) bool {
	var p *registry.Problem
	return errors.As(err, &p) && p.Code == code
}

// Bounds of what a problem tells about a request: an answer must not be larger
// than what it answers.
const (
	maxFieldErrors = 20
	maxFieldText   = 200 // bytes
)

func cut(s string) string {
	if len(s) <= maxFieldText {
		return s
	}
	return strings.ToValidUTF8(s[:maxFieldText], "") + "…"
}

// fromHuma turns the framework's own errors into documents; as a transformer it
// sees every answer before it is written.
func fromHuma(ctx huma.Context, _ string, v any) (any, error) {
	switch e := v.(type) {
	case *huma.ErrorModel:
		p := newProblem(codeOfStatus(e.Status), e.Detail)
		p.Status, p.Title = e.Status, http.StatusText(e.Status) // what is on the wire already
		for _, d := range e.Errors[:min(len(e.Errors), maxFieldErrors)] {
			p.Errors = append(p.Errors, rest.FieldError{Location: cut(d.Location), Message: cut(d.Message)}) // not the value: it may be long, or a secret
		}
		p.Detail = explain(e, p)
		p.RequestID = requestID(ctx.Context())
		return p, nil
	case *rest.Problem:
		p := *e
		p.RequestID = requestID(ctx.Context())
		return &p, nil
	}
	return v, nil
}

func explain(e *huma.ErrorModel, p *rest.Problem) string {
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
func writeProblem(w http.ResponseWriter, r *http.Request, p *rest.Problem) {
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
