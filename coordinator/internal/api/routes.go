package api

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// route describes one operation.
type route struct {
	id, method, path string
	summary          string
	tag              string
	errors           []string    // problem codes, beside the ones that every route has
	answers          map[int]any // statuses and the zero value of their bodies; nil: by the handler's type
	scope            string      // what the caller's key must be for; see package access
	orScope          string      // does as well; the handler looks which of the two it takes
	open             bool        // needs neither key nor address
	keyless          bool        // needs an address, and no key
	join             joinRule    // who may call without a key
}

// joinRule says how those who were invited to a session may call a route.
type joinRule int

const (
	joinNever   joinRule = iota
	joinByCode           // the invite code in the path is all that is needed
	joinByToken          // a join token for the session in the path does instead of a key
)

// check refuses a route that nobody has thought about who may call it.
func (rt route) check() error {
	if rt.scope == "" && !rt.open && !rt.keyless && rt.join != joinByCode {
		return fmt.Errorf("api: route %s %s names no scope", rt.method, rt.path)
	}
	return nil
}

// operation turns a route into huma's form; package function describe adds what
// is the same for all.
func (s *server) operation(api huma.API, rt route) huma.Operation {
	op := huma.Operation{
		OperationID: rt.id, Method: rt.method, Path: rt.path, Summary: rt.summary, Tags: []string{rt.tag},
		MaxBodyBytes: MaxBody + 1, BodyReadTimeout: -1, // both are readBody's concern
		Responses: map[string]*huma.Response{},
	}
	s.table[rt.method+" "+rt.path] = rt
	op.Security = rt.security()
	if rt.method == http.MethodPost {
		op.DefaultStatus = http.StatusCreated
	}
	schemas := api.OpenAPI().Components.Schemas
	for status, body := range rt.answers {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{mediaJSON: {Schema: schemas.Schema(reflect.TypeOf(body), true, "")}},
		}
		if status != http.StatusAccepted {
			op.DefaultStatus = status
		}
	}
	return op
}

// security says in OpenAPI's words what a caller shows; nil: nothing.
func (rt route) security() []map[string][]string {
	if rt.open || rt.keyless || rt.join == joinByCode {
		return nil
	}
	list := []map[string][]string{{"key": {rt.scope}}}
	if rt.orScope != "" {
		list = append(list, map[string][]string{"key": {rt.orScope}})
	}
	if rt.join == joinByToken {
		list = append(list, map[string][]string{"joinToken": {}})
	}
	return list
}

// routes registers everything.
func (s *server) routes(api huma.API) {
	s.healthRoutes(api)
	s.accountRoutes(api)
	s.signRoute(api)
	s.signingPartyRoutes(api)
	s.presignRoutes(api)
	s.sessionRoutes(api)
	s.createSessionRoute(api)
	s.cancelRoute(api)
	s.inviteRoutes(api)
	s.shareRoutes(api)
	s.approvalRoutes(api)
	s.webhookRoutes(api)
	s.auditRoute(api)
	s.partyRoute(api)
	for _, own := range []string{"ErrorModel", "ErrorDetail"} { // huma's errors: fromHuma lets none of them out
		delete(api.OpenAPI().Components.Schemas.Map(), own)
	}
}
