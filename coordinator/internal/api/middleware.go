package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// MaxBody is the largest request body in bytes.
const MaxBody = 64 << 10

// bodyTimeout bounds the reading of a body.
const bodyTimeout = 10 * time.Second

type contextKey struct{}

// requestID returns the id of a request, empty outside of one.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(contextKey{}).(string)
	return id
}

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// identify gives each request an id and a line in the log.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !requestIDForm.MatchString(id) {
			id = uuid.NewString()
		}
		h := w.Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), contextKey{}, id)))
		log.Debugw("request", "request", id, "method", r.Method, "path", r.URL.Path, "status", rec.status, "took", time.Since(began))
	})
}

// recorder remembers whether an answer has begun.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// contain turns a panic into a problem, or ends the connection when the answer
// has begun.
func contain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			log.Errorw("a request panicked", "path", r.URL.Path, "request", requestID(r.Context()), "panic", v, "stack", string(debug.Stack()))
			if rec.status != 0 {
				panic(http.ErrAbortHandler)
			}
			writeProblem(rec, r, newProblem(registry.CodeInternal, "the coordinator failed: its log tells why"))
		}()
		next.ServeHTTP(rec, r)
	})
}

// readBody reads a body before any handler runs, with a deadline of its own: a
// deadline that is still set while a handler waits would end its request.
func readBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctl := http.NewResponseController(w)
		if err := ctl.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
			log.Debugw("no read deadline", "error", err)
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			writeProblem(w, r, bodyProblem(err))
			return
		}
		if err := ctl.SetReadDeadline(time.Time{}); err != nil {
			log.Debugw("no read deadline", "error", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func bodyProblem(err error) *rest.Problem {
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &large):
		return newProblem(codeTooLarge, "the body is larger than 64 KiB")
	case errors.As(err, &slow) && slow.Timeout():
		return newProblem(codeTimeout, "the body did not arrive within 10 seconds")
	}
	return newProblem(codeMalformed, "the body ended too early")
}

// methods are what a path is tried with to tell 405 from 404.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// unrouted answers requests that no route takes.
func unrouted(mux *http.ServeMux, own string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, m := range methods {
			other := r.Clone(r.Context())
			other.Method = m
			if _, pattern := mux.Handler(other); pattern != own {
				allowed = append(allowed, m)
			}
		}
		if len(allowed) == 0 {
			writeProblem(w, r, newProblem(codeNotFound, "there is no such route: GET /openapi.yaml lists them"))
			return
		}
		for _, m := range allowed {
			w.Header().Add("Allow", m)
		}
		writeProblem(w, r, newProblem(codeMethod, "this route does not have the method "+r.Method))
	}
}
