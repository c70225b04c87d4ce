package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// maxAnswer bounds an answer that is read, in bytes: a page of 200 accounts of 32
// parties each has about 4 MB.
const maxAnswer = 32 << 20

const prefix = "/api/v1"

// call is one call of a route.
type call struct {
	method string
	path   string // escaped
	query  url.Values
	in     any  // the body; nil: none
	async  bool // do not wait for the session
	once   bool // no second try
	stream bool // the answer is a stream of events
	last   string
}

// answer is a good answer with its body read.
type answer struct {
	status int
	body   []byte
}

type idempotency struct{}

// WithIdempotencyKey makes the next POST carry the given Idempotency-Key (1 to
// 255 printable characters) in place of a random one, so that a caller that has
// kept it can repeat the call after a crash. One context, one call.
func WithIdempotencyKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, idempotency{}, key)
}

// prepared is a call that is ready to be sent, again and again.
type prepared struct {
	*call
	url    string
	body   []byte
	header http.Header
}

func (c *Client) prepare(ctx context.Context, k *call) (*prepared, error) {
	p := &prepared{call: k, url: c.base + k.path, header: http.Header{}}
	if len(k.query) > 0 {
		p.url += "?" + k.query.Encode()
	}
	h := p.header
	h.Set("User-Agent", c.cfg.UserAgent)
	h.Set("Accept", "application/json")
	switch {
	case c.cfg.Key != "":
		h.Set("X-API-Key", c.cfg.Key)
	case c.cfg.JoinToken != "":
		h.Set("Authorization", "Bearer "+c.cfg.JoinToken)
	}
	if k.async {
		h.Set("Prefer", "respond-async")
	}
	if k.stream {
		h.Set("Accept", "text/event-stream")
	}
	if k.last != "" {
		h.Set("Last-Event-ID", k.last)
	}
	if k.method == http.MethodPost {
		key, _ := ctx.Value(idempotency{}).(string)
		if key == "" {
			key = uuid.NewString()
		}
		if len(key) > 255 || !headerValue(key) {
			return nil, fmt.Errorf("%w: an idempotency key has 1 to 255 printable characters", ErrConfig)
		}
		h.Set("Idempotency-Key", key)
	}
	if k.in == nil {
		return p, nil
	}
	h.Set("Content-Type", "application/json")
	var err error
	if p.body, err = json.Marshal(k.in); err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return p, nil
}

// send sends a call once and returns the response, whatever its status is.
func (c *Client) send(ctx context.Context, p *prepared) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, p.method, p.url, bytes.NewReader(p.body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	req.Header = p.header.Clone()
	return c.http.Do(req)
}

// exchange sends a call once and reads its answer. An answer of the API that is
// an error is a *rest.Problem.
func (c *Client) exchange(ctx context.Context, p *prepared) (*answer, *failure) {
	resp, err := c.send(ctx, p)
	if err != nil {
		return nil, noAnswer(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, noAnswer(ctx, err)
	case len(body) > maxAnswer:
		return nil, &failure{err: fmt.Errorf("%w: it has more than %d bytes", ErrNotAPI, maxAnswer)}
	case resp.StatusCode >= 300:
		return nil, refusal(resp, body)
	}
	return &answer{resp.StatusCode, body}, nil
}

// refusal reads an error answer.
func refusal(resp *http.Response, body []byte) *failure {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	problem := &rest.Problem{}
	if kind == "application/problem+json" && json.Unmarshal(body, problem) == nil && problem.Code != "" {
		return problemFailure(resp, problem)
	}
	return foreignFailure(resp)
}

// decode reads a good answer.
func decode[T any](a *answer) (*T, error) {
	v := new(T)
	if len(a.body) == 0 { // 204
		return v, nil
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAPI, err)
	}
	return v, nil
}

// fetch makes a call and decodes its answer.
func fetch[T any](ctx context.Context, c *Client, k *call) (*T, error) {
	a, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	return decode[T](a)
}

// get makes a GET.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	return fetch[T](ctx, c, &call{method: http.MethodGet, path: path, query: query})
}

// post makes a POST.
func post[T any](ctx context.Context, c *Client, path string, in any) (*T, error) {
	return fetch[T](ctx, c, &call{method: http.MethodPost, path: path, in: in})
}

// route joins the parts of a path below /api/v1. A part that is empty or would
// change the path is an error: an id comes from the caller's own input.
func route(parts ...string) (string, error) {
	var b strings.Builder
	b.WriteString(prefix)
	for _, part := range parts {
		if part == "" || part == "." || part == ".." {
			return "", errors.New("an id is missing")
		}
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String(), nil
}
