package api

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// MaxBody is the largest request body in bytes: a message of 32 KiB in hex with a
// sealed share beside it.
const MaxBody = 192 << 10

// bodyTimeout bounds how long the body of a request may take to arrive.
const bodyTimeout = 10 * time.Second

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

// code is the answer's status; an answer without one is a 200.
func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
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
			log.Errorw("a request panicked", "route", routeOf(r).label(), "request", requestID(r.Context()), "panic", v, "stack", string(debug.Stack()))
			if rec.status != 0 {
				panic(http.ErrAbortHandler)
			}
			writeProblem(rec, r, newProblem(registry.CodeInternal, "the coordinator failed: its log tells why"))
		}()
		next.ServeHTTP(rec, r)
	})
}

// bound limits how long a request may take to bring its body, whoever asks and
// whether or not anybody reads it: net/http reads to the end what a handler has
// left, and would wait for it without end. A request without a body gets no deadline, for
// one that passes while its handler waits would end it.
func bound(d time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			setReadDeadline(w, time.Now().Add(d))
		}
		next.ServeHTTP(w, r)
	})
}

func setReadDeadline(w http.ResponseWriter, t time.Time) {
	if err := http.NewResponseController(w).SetReadDeadline(t); err != nil {
		log.Debugw("no read deadline", "error", err)
	}
}

// readBody reads a body before any handler runs, within the deadline that bound
// has set, and removes that.
func readBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !takesBody(r.Method) {
			skipBody(w, r)
			plainMedia(r.Header, nil)
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			writeProblem(w, r, bodyProblem(err))
			return
		}
		setReadDeadline(w, time.Time{})
		r.Body = io.NopCloser(bytes.NewReader(body))
		plainMedia(r.Header, body)
		next.ServeHTTP(w, r)
	})
}

// skipBody throws away a body that means nothing. One that does not come, or not
// to its end, costs its sender the connection: the deadline stays, so that nobody
// waits for the rest.
func skipBody(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, MaxBody)); err != nil {
		w.Header().Set("Connection", "close")
		return
	}
	setReadDeadline(w, time.Time{})
}

// takesBody reports whether calls with a method bring a body. That of others
// means nothing.
func takesBody(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodDelete
}

// plainMedia spells the media types of a request as the framework knows them: it
// minds their case, and would answer under any name of JSON that a caller makes
// up. The API speaks JSON, and events to those who name them.
func plainMedia(h http.Header, body []byte) {
	if media, _, err := mime.ParseMediaType(h.Get("Content-Type")); err == nil && media == mediaJSON || isUntypedJSON(h.Get("Content-Type"), body) {
		h.Set("Content-Type", mediaJSON)
	}
	if !prefersEvents(h.Values("Accept")) {
		h.Set("Accept", mediaJSON)
	}
}

// isUntypedJSON recognises what curl -d sends without a header of its caller's:
// JSON under the name of a form.
func isUntypedJSON(contentType string, body []byte) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/x-www-form-urlencoded" && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{"))
}

func bodyProblem(err error) *rest.Problem {
	var large *http.MaxBytesError
	var slow net.Error
	switch {
	case errors.As(err, &large):
		return newProblem(codeTooLarge, "the body is larger than 192 KiB")
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
