package api

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// apiVersion is the version of the contract, not of the software: it changes
// when callers have to.
const apiVersion = "1.0"

// Media types of answers.
const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
	mediaOpenAPI = "application/vnd.oai.openapi+yaml"
)

// Document returns the OpenAPI document as GET /openapi.yaml serves it. It is a
// function of the code alone.
func Document() ([]byte, error) {
	s := &server{mux: http.NewServeMux(), table: make(map[string]route)}
	return s.describe().OpenAPI().YAML()
}

// describe registers all routes and completes their description.
func (s *server) describe() huma.API {
	api := humago.New(s.mux, humaConfig())
	s.routes(api)
	doc := api.OpenAPI()
	doc.AddOperation(s.ownOperation())
	c := &completion{doc: doc, problem: doc.Components.Schemas.Schema(reflect.TypeFor[rest.Problem](), true, "Problem"), samples: samples()}
	c.components()
	doc.Servers, doc.Tags = []*huma.Server{{URL: "/", Description: "The coordinator that serves this document."}}, tags()
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op != nil {
				c.operation(op, s.table[op.Method+" "+path])
			}
		}
	}
	c.openAnswers()
	return api
}

// ownOperation describes the route of the document itself.
func (s *server) ownOperation() *huma.Operation {
	rt := route{
		id: "openapi", method: http.MethodGet, path: pathOpenAPI, tag: "operation", keyless: true,
		summary: "This document.",
	}
	s.handle(rt, s.serveOpenAPI)
	return &huma.Operation{
		OperationID: rt.id, Method: rt.method, Path: rt.path, Summary: rt.summary, Tags: []string{rt.tag},
		Responses: map[string]*huma.Response{"200": {
			Description: "OK", Content: map[string]*huma.MediaType{mediaOpenAPI: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}
}

// completion adds to the framework's description what it does not know: the
// problems of each operation, headers and examples.
type completion struct {
	doc     *huma.OpenAPI
	problem *huma.Schema
	samples map[string]any // by the name of their schema
}

func (c *completion) operation(op *huma.Operation, rt route) {
	if text := descriptions[op.OperationID]; text != "" {
		op.Description = text
	}
	delete(op.Responses, "default") // the framework's own error
	for status, codes := range byStatus(codesOf(op, rt)) {
		op.Responses[strconv.Itoa(status)] = c.problems(status, codes)
	}
	if op.Security == nil {
		op.Security = []map[string][]string{} // said, so that nobody takes it for forgotten
	}
	for _, p := range op.Parameters {
		if example := sampleID(p, op.Path); example != "" {
			p.Example = example
		}
	}
	for status, response := range op.Responses {
		if response.Ref != "" {
			continue
		}
		response.Headers = headersOf(status)
		if media := response.Content[mediaJSON]; media != nil {
			c.example(media, op.OperationID+" "+status)
		}
	}
	if op.RequestBody != nil {
		c.example(op.RequestBody.Content[mediaJSON], op.OperationID)
	}
}

// codesOf lists the problems that an operation can answer with: its own, and
// those that follow from what it takes.
func codesOf(op *huma.Operation, rt route) []string {
	codes := append([]string{registry.CodeInternal}, rt.errors...)
	if takesBody(op.Method) { // it is read, whether or not the route wants it
		codes = append(codes, codeTooLarge, codeTimeout, codeMalformed)
	}
	if !rt.open {
		codes = append(codes, codeForbidden, codeRateLimited, codeBlocked)
	}
	if len(op.Security) > 0 {
		codes = append(codes, codeUnauthorized, codeScope)
	}
	if op.RequestBody != nil {
		codes = append(codes, codeInvalid, codeMediaType)
	}
	for _, p := range op.Parameters {
		codes = append(codes, codeInvalid)
		if p.Name == headerIdempotency {
			codes = append(codes, codeIdempotency)
		}
	}
	return codes
}

// problems describes the answers of one status that are problems; operations
// with the same ones share a description. x-codes lists the codes for programs.
func (c *completion) problems(status int, codes []string) *huma.Response {
	name := strings.Join(codes, "-")
	if c.doc.Components.Responses[name] == nil {
		media := &huma.MediaType{Schema: c.problem, Examples: make(map[string]*huma.Example)}
		text := http.StatusText(status) + "."
		for _, code := range codes {
			media.Examples[code] = &huma.Example{Ref: "#/components/examples/" + code}
			text += "\n- `" + code + "`: " + meanings[code].text
		}
		c.doc.Components.Responses[name] = &huma.Response{
			Description: text, Headers: headersOf(strconv.Itoa(status)), Content: map[string]*huma.MediaType{mediaProblem: media},
			Extensions: map[string]any{"x-codes": codes},
		}
	}
	return &huma.Response{Ref: "#/components/responses/" + name}
}

// byStatus sorts codes by their status.
func byStatus(codes []string) map[int][]string {
	out := make(map[int][]string)
	for _, code := range slices.Compact(slices.Sorted(slices.Values(codes))) {
		out[meanings[code].status] = append(out[meanings[code].status], code)
	}
	return out
}

// example gives a body the examples that are made for it, or the one of its
// schema.
func (c *completion) example(media *huma.MediaType, of string) {
	if own := bodySamples[of]; own != nil {
		media.Examples = make(map[string]*huma.Example)
		for name, e := range own() {
			media.Examples[name] = &huma.Example{Summary: e.summary, Value: e.body}
		}
		return
	}
	if sample, ok := c.samples[strings.TrimPrefix(media.Schema.Ref, "#/components/schemas/")]; ok {
		media.Example = sample
	}
}

// components describes what operations share.
func (c *completion) components() {
	c.doc.Components.Headers = headers
	c.doc.Components.Responses = make(map[string]*huma.Response)
	c.doc.Components.Examples = make(map[string]*huma.Example)
	for code, m := range meanings {
		c.doc.Components.Examples[code] = &huma.Example{Summary: m.text, Value: sampleProblem(code)}
	}
}

// openAnswers lets answers grow: a caller must not stumble over a field that a
// later version adds, so only requests are closed. Lists in answers are never
// null.
func (c *completion) openAnswers() {
	all := c.doc.Components.Schemas.Map()
	requests := make(map[string]bool)
	for _, item := range c.doc.Paths {
		for _, op := range []*huma.Operation{item.Post, item.Put} {
			if op != nil && op.RequestBody != nil {
				reach(all, op.RequestBody.Content[mediaJSON].Schema, requests)
			}
		}
	}
	for name, schema := range all {
		if requests[name] {
			continue
		}
		if closed, ok := schema.AdditionalProperties.(bool); ok && !closed {
			schema.AdditionalProperties = nil
		}
		for _, p := range schema.Properties {
			p.Nullable = false
		}
	}
}

// reach collects the names of the schemas that a schema is made of.
func reach(all map[string]*huma.Schema, s *huma.Schema, found map[string]bool) {
	if s == nil {
		return
	}
	if name := strings.TrimPrefix(s.Ref, "#/components/schemas/"); s.Ref != "" {
		if !found[name] {
			found[name] = true
			reach(all, all[name], found)
		}
		return
	}
	reach(all, s.Items, found)
	for _, p := range slices.Collect(maps.Values(s.Properties)) {
		reach(all, p, found)
	}
}

// sampleProblem is an example of a problem.
func sampleProblem(code string) *rest.Problem {
	p := newProblem(code, meanings[code].text)
	p.RequestID = sampleRequest
	switch code {
	case codeInvalid:
		p.Detail = "body.threshold.t: expected integer"
		p.Errors = []rest.FieldError{{Location: "body.threshold.t", Message: "expected integer"}}
	case registry.CodeTooFewParties:
		p.SessionID, p.Parties = sampleSignSession, []rest.PartyProblem{{PeerID: samplePeers[1], Name: "paris", Code: "unreachable", Detail: "it does not answer"}}
	}
	return p
}
