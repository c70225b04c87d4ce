package cluster

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// API calls a coordinator as any HTTP client would.
type API struct {
	URL    string // without a path: http://127.0.0.1:4000
	Key    string
	Client *http.Client // nil: http.DefaultClient
}

// Problem is an error answer (RFC 9457).
type Problem struct {
	Status  int           `json:"status"`
	Code    string        `json:"code"`
	Title   string        `json:"title"`
	Detail  string        `json:"detail"`
	Parties []PartyStatus `json:"parties"`
}

// Error returns the problem in one line.
func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// Response is an answer with its body read.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request with a body of JSON text, which may be malformed, and
// returns whatever the answer is.
func (a *API) Do(ctx context.Context, method, path, body string, headers ...string) (*Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-API-Key", a.Key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := cmp.Or(a.Client, http.DefaultClient).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: data}, err
}

// Call sends a value as JSON and decodes the answer into another; an error
// answer is returned as a *Problem.
func (a *API) Call(ctx context.Context, method, path string, in, out any, headers ...string) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	resp, err := a.Do(ctx, method, path, string(body), headers...)
	if err != nil {
		return err
	}
	if resp.Status >= 400 {
		return resp.Problem()
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(bytes.NewReader(resp.Body)).Decode(out); err != nil {
		return fmt.Errorf("%s %s: %w in %q", method, path, err, resp.Body)
	}
	return nil
}

// Problem decodes an error answer.
func (r *Response) Problem() error {
	p := &Problem{}
	kind := r.Header.Get("Content-Type")
	if err := json.Unmarshal(r.Body, p); err != nil || !strings.HasPrefix(kind, "application/problem+json") {
		return fmt.Errorf("status %d with %s, not a problem document: %q", r.Status, kind, r.Body)
	}
	return p
}
