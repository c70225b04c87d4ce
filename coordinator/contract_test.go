package coordinator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/meshmpc/mpcd/coordinator/internal/api"
)

// contract is the OpenAPI document, and what tests have seen of it. Every answer
// that a cluster gets is held against it.
type contract struct {
	doc map[string]any

	mu      sync.Mutex
	schemas *jsonschema.Compiler
	seen    map[string]bool // "operation status", and codes
}

// theContract is read once for all tests.
var theContract = sync.OnceValues(func() (*contract, error) {
	text, err := api.Document()
	if err != nil {
		return nil, err
	}
	return readContract(text)
})

const (
	contractURL  = "https://example.org/openapi.json"
	mediaProblem = "application/problem+json"
)

func readContract(text []byte) (*contract, error) {
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	asJSON, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	if doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(asJSON)); err != nil {
		return nil, err
	}
	c := &contract{doc: doc.(map[string]any), schemas: jsonschema.NewCompiler(), seen: make(map[string]bool)}
	for _, schema := range at[map[string]any](c.doc, "components", "schemas") { // callers may not expect more; we do not send it
		if s := schema.(map[string]any); s["properties"] != nil && s["additionalProperties"] == nil {
			s["additionalProperties"] = false
		}
	}
	c.schemas.DefaultDraft(jsonschema.Draft2020)
	c.schemas.AssertFormat()
	return c, c.schemas.AddResource(contractURL, c.doc)
}

// at follows keys through a document, and references before its last key. It
// returns the zero value where there is nothing.
func at[T any](doc map[string]any, keys ...string) (v T) {
	var here any = doc
	for _, key := range keys {
		m, ok := here.(map[string]any)
		if !ok {
			return v
		}
		if ref, ok := m["$ref"].(string); ok {
			m = at[map[string]any](doc, pointer(ref)...)
		}
		here = m[key]
	}
	v, _ = here.(T)
	return v
}

// pointer returns the keys of a reference within the document.
func pointer(ref string) []string { return strings.Split(strings.TrimPrefix(ref, "#/"), "/") }

// find returns the path of a document that a request takes, and its operation;
// nil if there is none.
func (k *contract) find(method, path string) (pattern string, op map[string]any) {
	path, _, _ = strings.Cut(path, "?")
	for candidate, item := range at[map[string]any](k.doc, "paths") {
		if !matches(candidate, path) || (pattern != "" && !strings.Contains(pattern, "{")) {
			continue
		}
		if found, ok := item.(map[string]any)[strings.ToLower(method)].(map[string]any); ok {
			pattern, op = candidate, found
		}
	}
	return pattern, op
}

func matches(pattern, path string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (!strings.HasPrefix(a[i], "{") || b[i] == "") {
			return false
		}
	}
	return true
}

// check holds an answer against the contract.
func (k *contract) check(c call, a answer) error {
	pattern, op := k.find(c.method, c.path)
	if op == nil {
		return k.checkUnrouted(a)
	}
	id, status := at[string](op, "operationId"), fmt.Sprint(a.status)
	k.note(id + " " + status)
	where := []string{"paths", pattern, strings.ToLower(c.method), "responses", status}
	if at[map[string]any](k.doc, where...) == nil {
		return fmt.Errorf("%s does not list the status %s", id, status)
	}
	if a.status == http.StatusNoContent && len(a.body) == 0 && at[any](k.doc, append(where, "content")...) == nil {
		return k.checkHeaders(id, at[map[string]any](k.doc, append(where, "headers")...), a)
	}
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	content := append(slices.Clone(where), "content", media)
	if err != nil || at[any](k.doc, content...) == nil {
		return fmt.Errorf("%s does not list the media type %q of status %s", id, a.header.Get("Content-Type"), status)
	}
	return errors.Join(
		k.checkHeaders(id, at[map[string]any](k.doc, append(where, "headers")...), a),
		k.checkBody(content, a.body),
		k.checkCode(id, at[[]any](k.doc, append(where, "x-codes")...), media, a),
		k.checkRequest(pattern, op, c, a),
	)
}

func (k *contract) checkHeaders(id string, headers map[string]any, a answer) error {
	var missing []error
	for name := range headers {
		if at[bool](k.doc, "components", "headers", name, "required") && a.header.Get(name) == "" {
			missing = append(missing, fmt.Errorf("an answer %d of %s lacks the header %s", a.status, id, name))
		}
	}
	return errors.Join(missing...)
}

// checkBody validates JSON against the schema of a media type in the document.
func (k *contract) checkBody(content []string, body []byte) error {
	if media := content[len(content)-1]; !strings.HasSuffix(media, "json") {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return k.validate(at[map[string]any](k.doc, append(content, "schema")...), value)
}

func (k *contract) validate(schema map[string]any, value any) error {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return fmt.Errorf("no schema of a component, but %v", schema)
	}
	k.mu.Lock()
	compiled, err := k.schemas.Compile(contractURL + ref)
	k.mu.Unlock()
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

// checkCode refuses problems that the operation does not list.
func (k *contract) checkCode(id string, listed []any, media string, a answer) error {
	if media != mediaProblem {
		return nil
	}
	code, err := k.problem(a)
	if err != nil {
		return err
	}
	k.note(id + " " + code)
	if !slices.Contains(listed, any(code)) {
		return fmt.Errorf("%s does not list the problem %s of status %d", id, code, a.status)
	}
	return nil
}

// problem reads the code of a problem document, which must be documented.
func (k *contract) problem(a answer) (code string, err error) {
	var p struct {
		Code   string
		Status int
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		return "", err
	}
	k.note(p.Code)
	example := at[map[string]any](k.doc, "components", "examples", p.Code, "value")
	if example == nil {
		return "", fmt.Errorf("the problem code %q is not documented", p.Code)
	}
	if p.Status != a.status || fmt.Sprint(example["status"]) != fmt.Sprint(a.status) {
		return "", fmt.Errorf("the problem %s has the status %d in an answer %d, and is documented with %v", p.Code, p.Status, a.status, example["status"])
	}
	return p.Code, nil
}

// checkRequest looks that a request which succeeded is one that the document
// describes.
func (k *contract) checkRequest(pattern string, op map[string]any, c call, a answer) error {
	if a.status >= http.StatusBadRequest || c.body == "" || op["requestBody"] == nil {
		return nil
	}
	content := []string{"paths", pattern, strings.ToLower(c.method), "requestBody", "content", "application/json"}
	if err := k.checkBody(content, []byte(c.body)); err != nil {
		return fmt.Errorf("a request succeeds that is not described: %w", err)
	}
	return nil
}

// checkUnrouted holds an answer to a request that no route takes against what
// the introduction says.
func (k *contract) checkUnrouted(a answer) error {
	if a.status == http.StatusMovedPermanently || a.status == http.StatusTemporaryRedirect {
		return nil // net/http cleans paths
	}
	code, err := k.problem(a)
	if err != nil {
		return fmt.Errorf("an answer without a route: %w", err)
	}
	allowed := []string{
		"not_found", "method_not_allowed", "unauthorized", "address_not_allowed", "scope_missing", "rate_limited", "too_many_failures",
		"body_too_large", "request_timeout", "malformed_json",
	}
	if !slices.Contains(allowed, code) {
		return fmt.Errorf("a request that no route takes is answered with %s", code)
	}
	var value any
	if err := json.Unmarshal(a.body, &value); err != nil {
		return err
	}
	return k.validate(map[string]any{"$ref": "#/components/schemas/Problem"}, value)
}

func (k *contract) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen[what] = true
}
