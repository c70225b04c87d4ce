package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// Defaults of streams.
const (
	maxStreams     = 1000
	maxKeyStreams  = 200              // of one API key
	maxJoinStreams = 16               // of one device in one session
	streamBeat     = 15 * time.Second // a comment, so that proxies and callers see that the stream lives
	streamPatience = 10 * time.Second // for a caller to take one write
	eventEnd       = "end"
)

// streams are the server-sent events that callers listen to (WHATWG HTML
// §9.2). Each has the goroutine of its request and nothing else: a caller that
// does not read is dropped when a write takes too long, and holds up nobody.
type streams struct {
	max            int // of all callers
	perKey         int // of one API key
	perJoin        int // of one device in one session
	beat, patience time.Duration

	open    atomic.Int64
	callers callers
	reels   reels
}

func newStreams() streams {
	return streams{max: maxStreams, perKey: maxKeyStreams, perJoin: maxJoinStreams, beat: streamBeat, patience: streamPatience}
}

// orStream answers callers of the list of events who prefer a stream.
func (s *server) orStream(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	w.Header().Add("Vary", "Accept")
	if !prefersEvents(r.Header.Values("Accept")) {
		next(ctx)
		return
	}
	if p := s.stream(w, r); p != nil {
		writeProblem(w, r, p)
	}
}

// describeStream adds the stream to the operation's answers.
func describeStream(op *huma.Operation) {
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "Last-Event-ID", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "With server-sent events: only events after this sequence. It comes before after.",
	})
	op.Responses[strconv.Itoa(http.StatusOK)].Content[mediaEvents] = &huma.MediaType{Schema: &huma.Schema{
		Type: huma.TypeString, Title: "SessionEventStream",
		Description: "Server-sent events. Of each, id is the seq, event the type, and data the Event as JSON. " +
			"The last one is named end and has the Session as data: it has ended. Comments every 15 seconds keep the connection; a stream whose key was revoked since, or whose join token has expired, breaks off there. " +
			"A key may have 200 streams at a time, a device 16 of its session.",
	}}
}

// stream sends the events of a session until it has ended and all are sent. A
// problem means that nothing was written.
func (s *server) stream(w http.ResponseWriter, r *http.Request) *rest.Problem {
	id := r.PathValue("id")
	if s.cfg.Registry.Session(id) == nil {
		return newProblem(registry.CodeSessionNotFound, fmt.Sprintf("there is no session %q", id))
	}
	after, p := resumeAfter(r)
	if p != nil {
		return p
	}
	caller := access.From(r.Context())
	leave, p := s.streams.enter(&caller)
	if p != nil {
		return p
	}
	defer leave()
	key := reelKey{session: id, public: caller.Session != ""}
	l := &listener{s: s, w: w, ctl: http.NewResponseController(w), key: key, after: after, reel: s.streams.reels.take(key)}
	l.admitted = func() bool { return s.still(r) }
	defer s.streams.reels.drop(key)
	streamBegins(r.Context())
	if err := l.begin(); err == nil {
		err = l.run(r.Context())
		log.Debugw("a stream of events ended", "session", id, "request", requestID(r.Context()), "error", err)
	}
	return nil
}

// resumeAfter returns the sequence that the caller has seen last.
func resumeAfter(r *http.Request) (uint64, *rest.Problem) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text == "" {
		return 0, nil
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, newProblem(codeInvalid, "Last-Event-ID, or after, is not the sequence of an event: use the id of the last event that came")
	}
	return after, nil
}

// errNotAdmitted reports a caller whose key or token is not valid any more.
var errNotAdmitted = errors.New("the caller's key or join token is not valid any more")

// listener is one caller that listens.
type listener struct {
	s     *server
	w     http.ResponseWriter
	ctl   *http.ResponseController
	key   reelKey
	reel  *reel
	after uint64 // what it has seen
	// admitted reports whether its caller may still listen.
	admitted func() bool
}

func (l *listener) begin() error {
	l.w.Header().Set("Content-Type", mediaEvents)
	l.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	l.w.WriteHeader(http.StatusOK)
	return l.write(nil)
}

// run sends events until there is nothing more to come.
func (l *listener) run(ctx context.Context) error {
	beat := time.NewTicker(l.s.streams.beat)
	defer beat.Stop()
	for {
		session, changed := l.look()
		if session == nil {
			return nil // pruned
		}
		if err := l.catchUp(session); err != nil {
			return err
		}
		if changed == nil {
			return l.end(session)
		}
		select {
		case <-changed:
		case <-beat.C:
			if !l.admitted() {
				return errNotAdmitted // without an end: the session has none yet
			}
			if err := l.write([]byte(": still here\n\n")); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-l.s.cfg.Stopping.Done():
			return nil // without an end: the caller comes back
		}
	}
}

// look returns the session, and what tells of its next event; nil: it has ended.
func (l *listener) look() (*registry.Session, <-chan struct{}) {
	reg := l.s.cfg.Registry
	if session := reg.Session(l.key.session); session == nil || session.Status.Finished() {
		return session, nil
	}
	changed := reg.Watch(registry.SessionStream(l.key.session))
	session := reg.Session(l.key.session) // after Watch, so that nothing is missed
	if session == nil || session.Status.Finished() {
		return session, nil
	}
	return session, changed
}

// catchUp sends what the caller has not seen.
func (l *listener) catchUp(session *registry.Session) error {
	for l.after < session.LastSeq {
		frames, err := l.s.frames(l.reel, session, l.key.public, l.after)
		if err != nil {
			log.Errorw("events of a session could not be read", "session", session.ID, "error", err)
			return err
		}
		if len(frames) == 0 {
			return nil
		}
		var all []byte
		for _, f := range frames {
			all = append(all, f.data...)
		}
		if err := l.write(all); err != nil {
			return err
		}
		l.after = frames[len(frames)-1].seq
	}
	return nil
}

func (l *listener) end(session *registry.Session) error {
	data, err := encodeEvent(eventEnd, 0, l.s.sessionView(session))
	if err != nil {
		return err
	}
	return l.write(data)
}

// write sends bytes at once. The deadline is for this write alone: with HTTP/2,
// one that is left behind would end the stream.
func (l *listener) write(data []byte) error {
	if err := l.ctl.SetWriteDeadline(time.Now().Add(l.s.streams.patience)); err != nil {
		return err
	}
	if _, err := l.w.Write(data); err != nil {
		return err
	}
	if err := l.ctl.Flush(); err != nil {
		return err
	}
	return l.ctl.SetWriteDeadline(time.Time{})
}
