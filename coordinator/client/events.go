package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

const (
	// eventEnd is the type of the last event of a stream: the session has ended.
	eventEnd = "end"
	// silence is after how long a stream is given up: the coordinator sends a
	// comment every 15 s.
	silence = 45 * time.Second
	// absence is for how long a coordinator that does not answer is tried, anew
	// after each event: a restart takes some seconds.
	absence = 2 * time.Minute
)

// Events follows a session's events from the one after a sequence number, and
// returns when the session has ended. It comes back to a coordinator that goes
// away, without losing or repeating an event. Its length is bounded by ctx
// alone. After an error it ends.
func (c *Client) Events(ctx context.Context, session string, after uint64) iter.Seq2[rest.Event, error] {
	return func(yield func(rest.Event, error) bool) {
		path, err := route("sessions", session, "events")
		if err != nil {
			yield(rest.Event{}, err)
			return
		}
		s := stream{c: c, path: path, after: after, yield: yield}
		if err := s.follow(ctx); err != nil {
			yield(rest.Event{}, err)
		}
	}
}

// stream follows events over several connections.
type stream struct {
	c     *Client
	path  string
	after uint64        // of the last event that was yielded
	wait  time.Duration // what the server wants between connections
	ended bool          // nothing more is to come, or is wanted
	yield func(rest.Event, error) bool
}

// follow connects, again and again, until the stream has ended.
func (s *stream) follow(ctx context.Context) error {
	waits := newBackOff()
	heard := time.Now()
	for {
		from := s.after
		f := s.connect(ctx)
		switch {
		case s.ended:
			return nil
		case ctx.Err() != nil:
			return explain(ctx, s.c.base, nil)
		case f != nil && !f.again:
			return explain(ctx, s.c.base, f.err)
		}
		if f == nil { // the server was there
			heard = time.Now()
		}
		if s.after > from {
			waits.Reset()
		}
		if f != nil && time.Since(heard) > absence {
			return explain(ctx, s.c.base, f.err)
		}
		if err := pause(ctx, s.pause(f, waits)); err != nil {
			return explain(ctx, s.c.base, nil)
		}
	}
}

// pause says how long to wait before the next connection.
func (s *stream) pause(f *failure, waits *backoff.ExponentialBackOff) time.Duration {
	d := max(waits.NextBackOff(), s.wait)
	if f != nil {
		d = max(d, min(f.after, maxRetryAfter))
	}
	return d
}

// pause waits for d, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connect reads one connection's events until it ends, which is no failure when
// the server was heard.
func (s *stream) connect(ctx context.Context) *failure {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel) // of a connection that only looks alive
	defer watchdog.Stop()

	k := &call{method: http.MethodGet, path: s.path, stream: true}
	if s.after > 0 {
		k.last = strconv.FormatUint(s.after, 10)
	}
	p, err := s.c.prepare(ctx, k)
	if err != nil {
		return &failure{err: err}
	}
	resp, err := s.c.send(ctx, p)
	if err != nil {
		_, again := networkError(err)
		return s.lost(ctx, err, again)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err != nil {
			return s.lost(ctx, err, true)
		}
		return refusal(resp, body)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		return &failure{err: fmt.Errorf("%w: it is %q, not a stream of events", ErrNotAPI, kind)}
	}
	return s.read(&alive{resp.Body, watchdog})
}

// lost is the failure of a connection that did not come about. It is not the
// caller's context that has ended: follow looks at that.
func (s *stream) lost(ctx context.Context, err error, again bool) *failure {
	if ctx.Err() != nil {
		return &failure{err: fmt.Errorf("%w: it is silent", ErrUnreachable), again: true}
	}
	err, _ = networkError(err)
	return &failure{err: err, again: again}
}

// read yields what comes until the connection ends.
func (s *stream) read(r io.Reader) *failure {
	events := newEventReader(r)
	for {
		m, err := events.next()
		s.wait = events.retry
		switch {
		case errors.Is(err, ErrNotAPI):
			return &failure{err: fmt.Errorf("%w: a line of the events is too long", ErrNotAPI)}
		case err != nil:
			return nil // the connection has ended: the next one tells
		case m.event == eventEnd:
			s.ended = true
			return nil
		}
		var e rest.Event
		if err := json.Unmarshal(m.data, &e); err != nil {
			return &failure{err: fmt.Errorf("%w: event %q: %w", ErrNotAPI, m.id, err)}
		}
		if e.Seq <= s.after {
			continue // the server has begun too early
		}
		s.after = e.Seq
		if !s.yield(e, nil) {
			s.ended = true
			return nil
		}
	}
}

// alive puts a watchdog off whenever something was read.
type alive struct {
	io.Reader
	watchdog *time.Timer
}

func (a *alive) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if n > 0 {
		a.watchdog.Reset(silence)
	}
	return n, err
}

// Wait follows a session until it has ended and returns it, however it ended. A
// signature in it was not verified: see VerifySession and AwaitSignature.
func (c *Client) Wait(ctx context.Context, session string) (*rest.Session, error) {
	for _, err := range c.Events(ctx, session, 0) {
		if err != nil {
			return nil, err
		}
	}
	s, err := c.Session(ctx, session)
	if err != nil {
		return nil, err
	}
	if s.Status == "created" || s.Status == "running" {
		return nil, fmt.Errorf("%w: the events of session %s have ended, and it is %s", ErrNotAPI, session, s.Status)
	}
	return s, nil
}
