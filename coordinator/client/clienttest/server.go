package clienttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Key is the API key that the server wants.
const Key = "test-api-key-0123456789abcdef0123456789abcdef"

// Network is the server's network.
const Network = "test"

// Server is a coordinator that keeps everything to itself.
type Server struct {
	*httptest.Server

	tb       testing.TB
	mu       sync.Mutex
	before   func(http.ResponseWriter, *http.Request) bool
	alter    func(any)
	requests []Request
	answered map[string]any // by Idempotency-Key: what the first call has made

	parties  []*party
	delegate *party
	accounts []*account
	sessions []*session
	invites  map[string]*rest.Invite // by code
	webhooks []rest.Webhook
	changed  chan struct{} // closed and made anew whenever an event comes
	seq      uint64
}

// Request is a request that came.
type Request struct {
	Method, Path string
	Header       http.Header
}

// New starts a server that ends with the test.
func New(tb testing.TB) *Server {
	s := NewUnstarted(tb)
	s.Start()
	return s
}

// NewUnstarted returns a server that has an address and does not answer yet; for
// TLS, see httptest.
func NewUnstarted(tb testing.TB) *Server {
	s := &Server{tb: tb, answered: make(map[string]any), invites: make(map[string]*rest.Invite), changed: make(chan struct{})}
	for i := range 4 {
		s.parties = append(s.parties, newParty(fmt.Sprintf("p%d", i+1)))
	}
	s.delegate = newParty("d1")
	s.Server = httptest.NewUnstartedServer(s.handler())
	tb.Cleanup(func() {
		s.CloseClientConnections() // event streams last as long as their session
		s.Close()
	})
	return s
}

// Before lets a test answer requests in the server's place: it returns true when
// it has. It is called with the API key unchecked.
func (s *Server) Before(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// Alter lets a test change good answers before they are written: it gets a
// pointer to the type of package rest.
func (s *Server) Alter(f func(any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alter = f
}

// Requests returns what has come.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	s.routes(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		before := s.before
		s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.Header.Clone()})
		s.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		open := r.URL.Path == "/health" || r.URL.Path == "/ready" || strings.HasPrefix(r.URL.Path, "/api/v1/invites/")
		if !open && r.Header.Get("X-API-Key") != Key {
			Refuse(w, http.StatusUnauthorized, "unauthorized", "the header X-API-Key is missing or wrong")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// Refuse answers with a problem.
func Refuse(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(rest.Problem{ // the client may have gone
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, RequestID: "r-1",
	})
}

// handle registers a route whose handler runs under the server's lock, and
// remembers its answers by Idempotency-Key. A handler that returns nil has
// answered.
func (s *Server) handle(mux *http.ServeMux, pattern string, status int, handler func(http.ResponseWriter, *http.Request) any) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		key := r.Header.Get("Idempotency-Key")
		v := s.answered[key]
		if key == "" || v == nil {
			v = handler(w, r)
		}
		if v == nil {
			return
		}
		if key != "" {
			s.answered[key] = v
		}
		s.write(w, statusOf(pattern, status, v), v)
	})
}

// statusOf is 202 for a route that answers with the session that it has begun.
func statusOf(pattern string, status int, v any) int {
	if _, ok := v.(*rest.Session); ok && (pattern == signRoute || pattern == "POST /api/v1/accounts") {
		return http.StatusAccepted
	}
	return status
}

func (s *Server) write(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		s.tb.Errorf("encode %T: %v", v, err)
	}
	if s.alter != nil { // a copy, so that only the answer changes
		copied := clone(v)
		if err := json.Unmarshal(data, copied); err != nil {
			s.tb.Errorf("copy %T: %v", v, err)
		}
		s.alter(copied)
		data, _ = json.Marshal(copied)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client may have gone
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// now is cut to what survives JSON.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
