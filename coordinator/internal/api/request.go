package api

import (
	"cmp"
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/internal/metrics"
)

// request is what is known of a request before anything is checked.
type request struct {
	id    string
	route route // zero: no route takes it
	began time.Time
	// streams is how long it took until a stream began; 0: the answer is none. How
	// long somebody listens is no latency.
	streams time.Duration
}

type contextKey struct{}

// requestID returns the id of a request, empty outside of one.
func requestID(ctx context.Context) string {
	req, _ := ctx.Value(contextKey{}).(*request)
	if req == nil {
		return ""
	}
	return req.id
}

// routeOf returns the route that a request will take; the zero route, which
// needs a key, when there is none.
func routeOf(r *http.Request) route {
	req, _ := r.Context().Value(contextKey{}).(*request)
	if req == nil {
		return route{}
	}
	return req.route
}

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify gives each request an id and a route, its answer the headers that
// every answer has, and counts it.
func (s *server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := &request{id: r.Header.Get("X-Request-Id")}
		if !requestIDForm.MatchString(req.id) {
			req.id = uuid.NewString()
		}
		_, pattern := s.mux.Handler(r)
		req.route = s.table[pattern]
		setHeaders(w.Header(), req.id, r.TLS != nil)
		req.began = time.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() { // also when the answer is cut off
			took := time.Since(req.began)
			s.cfg.Metrics.Request(req.route.label(), r.Method, rec.code(), cmp.Or(req.streams, took))
			log.Debugw("request", "request", req.id, "method", r.Method, "route", req.route.label(), "status", rec.code(), "took", took)
		}()
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), contextKey{}, req)))
	})
}

// streamBegins notes that the answer is a stream, which begins now.
func streamBegins(ctx context.Context) {
	if req, _ := ctx.Value(contextKey{}).(*request); req != nil {
		req.streams = max(time.Since(req.began), 1)
	}
}

// label is the route's name in metrics and logs. A path is never logged: that of an
// invite is its code.
func (rt route) label() string {
	if rt.path == "" {
		return metrics.Unmatched
	}
	return rt.path
}

// setHeaders sets what every answer has. A page has a policy of its own and
// replaces the one here, which is for data: it may load nothing and be shown in
// nothing.
func setHeaders(h http.Header, id string, secure bool) {
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000") // RFC 6797; ignored without TLS
	}
}
