package api

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// viewer is an engine that only tells what views need.
type viewer struct{ Engine }

func (viewer) Fingerprint(*registry.Session) string { return "" }

// newStreamServer serves streams of a registry without the rest of the API; a
// query of public makes the caller a user's device.
func newStreamServer(t *testing.T, change func(*server)) (*server, *httptest.Server) {
	t.Helper()
	return newStreamServerOver(t, serving{timeout: time.Minute}, change)
}

// streamKey is the API key of callers that show none.
const streamKey = "0123456789abcdef0123456789abcdef"

// serving says how a server of streams serves.
type serving struct {
	secure   bool          // with TLS
	timeout  time.Duration // for answers that are no streams
	listener net.Listener  // nil: on loopback
}

// newStreamServerOver is newStreamServer that serves in some way.
func newStreamServerOver(t *testing.T, how serving, change func(*server)) (*server, *httptest.Server) {
	t.Helper()
	db, err := keystore.OpenDB(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	reg, err := registry.Open(db, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := access.OpenKeys(access.KeysConfig{Secret: streamKey})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{streams: newStreams(), cfg: Config{
		Registry: reg, Engine: viewer{}, Pool: pool.New(pool.Config{Now: time.Now}), Stopping: t.Context(), Access: Access{Keys: keys},
	}}
	s.cfg.Access.JoinToken = func(r *http.Request) (session, peer string, ok bool) {
		return r.PathValue("id"), r.URL.Query().Get("public"), true
	}
	change(s)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sessions/{id}", func(w http.ResponseWriter, r *http.Request) {
		secret := cmp.Or(r.Header.Get("X-API-Key"), streamKey)
		r.Header.Set("X-API-Key", secret)
		key, err := s.cfg.Access.Keys.Check(secret)
		if err != nil {
			t.Error(err)
		}
		caller := access.Caller{KeyID: key.ID}
		if q := r.URL.Query(); q.Has("public") {
			caller = access.Caller{Session: r.PathValue("id"), Peer: q.Get("public")}
		}
		if p := s.stream(w, r.WithContext(access.With(r.Context(), caller))); p != nil {
			writeProblem(w, r, p)
		}
	})
	srv := httptest.NewUnstartedServer(mux)
	if how.listener != nil {
		_ = srv.Listener.Close()
		srv.Listener = how.listener
	}
	srv.EnableHTTP2, srv.Config.WriteTimeout = true, how.timeout
	if how.secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(func() {
		srv.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, srv
}

func (s *server) write(t *testing.T, events ...registry.Event) {
	t.Helper()
	if err := s.cfg.Registry.Append(events...); err != nil {
		t.Fatal(err)
	}
}

func sessionCreated(id string) registry.Event {
	return registry.Event{Stream: registry.SessionStream(id), Type: registry.SessionCreated, Actor: &registry.Actor{Key: "k_1", Client: "192.0.2.1"},
		Session: &registry.NewSession{Kind: protocol.KindKeygen, Account: "a"}}
}

func progress(id string, round int) registry.Event {
	return registry.Event{Stream: registry.SessionStream(id), Type: registry.PartyProgress, Round: round}
}

func ended(id string) registry.Event {
	return registry.Event{Stream: registry.SessionStream(id), Type: registry.SessionCompleted}
}

// sse is a received event.
type sse struct{ id, event, data string }

// listening is a stream that a test reads.
type listening struct {
	t     testing.TB
	body  io.Closer
	lines *bufio.Reader
	proto string
}

func listen(t testing.TB, url, last string) *listening {
	t.Helper()
	return listenWith(t, http.DefaultClient, url, last)
}

func listenWith(t testing.TB, client *http.Client, url, last string) *listening {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || ct != mediaEvents {
		t.Fatalf("status %d, type %q", res.StatusCode, ct)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &listening{t, res.Body, bufio.NewReader(res.Body), res.Proto}
}

// next returns the next event, or a comment as an event of that name; false at
// the end of the stream.
func (l *listening) next() (e sse, ok bool) {
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			return e, false
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.event = value
		case "data":
			e.data = value
		case "":
			if value != "" {
				e.event = ":" + value
			}
			if e != (sse{}) {
				return e, true
			}
		}
	}
}

func (l *listening) all() (list []sse) {
	for {
		e, ok := l.next()
		if !ok {
			return list
		}
		list = append(list, e)
	}
}

func TestStreamReplaysAndFollows(t *testing.T) {
	s, srv := newStreamServer(t, func(*server) {})
	s.write(t, sessionCreated("1"), progress("1", 1))
	l := listen(t, srv.URL+"/sessions/1", "")
	for _, want := range []string{"session.created", "party.progress"} {
		if e, ok := l.next(); !ok || e.event != want || e.id == "" {
			t.Fatalf("%+v, want %s", e, want)
		}
	}
	s.write(t, progress("1", 2))
	if e, ok := l.next(); !ok || e.id != "3" || !strings.Contains(e.data, `"round":2`) {
		t.Fatalf("%+v", e)
	}
	s.write(t, ended("1"))
	rest := l.all()
	if len(rest) != 2 || rest[0].event != "session.completed" || rest[1].event != eventEnd || rest[1].id != "" || !strings.Contains(rest[1].data, `"status":"completed"`) {
		t.Errorf("%+v", rest)
	}
}

func TestStreamResumes(t *testing.T) {
	s, srv := newStreamServer(t, func(*server) {})
	s.write(t, sessionCreated("1"), progress("1", 1), progress("1", 2), ended("1"))
	for _, c := range []struct{ query, last, want string }{
		{"", "", "1 2 3 4 end"},
		{"", "2", "3 4 end"},
		{"?after=3", "", "4 end"},
		{"?after=1", "3", "4 end"},
		{"", "4", "end"},
		{"", "99", "end"},
	} {
		var got []string
		for _, e := range listen(t, srv.URL+"/sessions/1"+c.query, c.last).all() {
			if e.event == eventEnd {
				e.id = eventEnd
			}
			got = append(got, e.id)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestStreamOfALongSession follows more events than listeners share.
func TestStreamOfALongSession(t *testing.T) {
	s, srv := newStreamServer(t, func(*server) {})
	s.write(t, sessionCreated("1"))
	const n = 3 * reelFrames
	for i := range n {
		s.cfg.Registry.Note(nil, progress("1", i))
	}
	s.cfg.Registry.Flush()
	first := listen(t, srv.URL+"/sessions/1", "")
	for range n + 1 {
		first.next()
	}
	second := listen(t, srv.URL+"/sessions/1", "") // begins before what is shared
	s.write(t, ended("1"))
	if got := len(second.all()); got != n+3 {
		t.Errorf("%d events, want %d", got, n+3)
	}
	if got := len(first.all()); got != 2 {
		t.Errorf("%d events follow", got)
	}
	until(t, "nothing is kept", func() bool {
		s.streams.reels.mu.Lock()
		defer s.streams.reels.mu.Unlock()
		return len(s.streams.reels.all) == 0 && s.streams.open.Load() == 0
	})
}

func TestStreamHidesActorsFromDevices(t *testing.T) {
	s, srv := newStreamServer(t, func(*server) {})
	s.write(t, sessionCreated("1"), ended("1"))
	if e, _ := listen(t, srv.URL+"/sessions/1", "").next(); !strings.Contains(e.data, "192.0.2.1") {
		t.Errorf("a key does not see who asked: %s", e.data)
	}
	if e, _ := listen(t, srv.URL+"/sessions/1?public", "").next(); strings.Contains(e.data, "192.0.2.1") || strings.Contains(e.data, "k_1") {
		t.Errorf("a device sees %s", e.data)
	}
}

func TestStreamBeats(t *testing.T) {
	s, srv := newStreamServer(t, func(s *server) { s.streams.beat = 5 * time.Millisecond })
	s.write(t, sessionCreated("1"))
	l := listen(t, srv.URL+"/sessions/1", "")
	l.next()
	if e, ok := l.next(); !ok || e.event != ":still here" {
		t.Errorf("%+v", e)
	}
}

// TestStreamOutlivesTheWriteTimeout is quiet for longer than the server lets
// answers take, over HTTP/1.1 and HTTP/2.
func TestStreamOutlivesTheWriteTimeout(t *testing.T) {
	const timeout = time.Minute
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipes := newPipes()
				s, srv := newStreamServerOver(t, serving{secure, timeout, pipes}, func(s *server) { s.streams.patience, s.streams.beat = timeout/2, time.Hour })
				client := pipes.client(t, srv)
				s.write(t, sessionCreated("1"))
				l := listenWith(t, client, srv.URL+"/sessions/1", "")
				l.next()
				if secure != (l.proto == "HTTP/2.0") {
					t.Errorf("over %s", l.proto)
				}
				time.Sleep(2 * timeout)
				s.write(t, ended("1"))
				if rest := l.all(); len(rest) != 2 || rest[1].event != eventEnd {
					t.Errorf("%+v", rest)
				}
			})
		})
	}
}

// pipes is a listener without sockets, for servers in virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// client returns a client of the server that listens here.
func (p *pipes) client(t *testing.T, srv *httptest.Server) *http.Client {
	client := srv.Client()
	transport := client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case p.conns <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return client
}

func TestStreamEndsWhenTheCoordinatorStops(t *testing.T) {
	stopping, stop := context.WithCancel(context.Background())
	s, srv := newStreamServer(t, func(s *server) { s.cfg.Stopping = stopping })
	s.write(t, sessionCreated("1"))
	l := listen(t, srv.URL+"/sessions/1", "")
	l.next()
	stop()
	if rest := l.all(); len(rest) != 0 {
		t.Errorf("%+v", rest)
	}
}

func TestStreamProblems(t *testing.T) {
	s, srv := newStreamServer(t, func(s *server) { s.streams.max = 1 })
	s.write(t, sessionCreated("1"))
	ask := func(path string) (int, string) {
		res, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close() // read to the end
		var p rest.Problem
		if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return res.StatusCode, p.Code
	}
	if status, code := ask("/sessions/2"); status != 404 || code != registry.CodeSessionNotFound {
		t.Error(status, code)
	}
	if status, code := ask("/sessions/1?after=x"); status != 422 || code != codeInvalid {
		t.Error(status, code)
	}
	l := listen(t, srv.URL+"/sessions/1", "")
	l.next()
	if status, code := ask("/sessions/1"); status != 429 || code != codeStreams {
		t.Error(status, code)
	}
	_ = l.body.Close() // it goes away
	until(t, "there is room again", func() bool { return s.streams.open.Load() == 0 })
	listen(t, srv.URL+"/sessions/1", "").next()
}

// TestStreamDropsWhoDoesNotRead has a caller that reads nothing while a session
// has more events than fit into the buffers between them.
func TestStreamDropsWhoDoesNotRead(t *testing.T) {
	s, srv := newStreamServer(t, func(s *server) { s.streams.patience = 2 * time.Second }) // who reads may be slow, too
	s.write(t, sessionCreated("1"))
	deaf, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close() // it has said all it has to say
	if err := deaf.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(deaf, "GET /sessions/1 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "it listens", func() bool { return s.streams.open.Load() == 1 })
	l := listen(t, srv.URL+"/sessions/1", "")
	big := progress("1", 0)
	big.Detail = strings.Repeat("x", 400<<10)
	l.next()
	for n := range 60 { // 24 MB
		s.write(t, big)
		if e, ok := l.next(); !ok || e.event != "party.progress" {
			t.Fatalf("who reads was held up at event %d: %+v", n, e.event)
		}
	}
	until(t, "who does not read is dropped", func() bool { return s.streams.open.Load() == 1 })
}

func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func TestPrefersEvents(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                                    false,
		"*/*":                                 false,
		"application/json":                    false,
		"text/event-stream":                   true,
		"Text/Event-Stream; charset=utf-8":    true,
		"text/*":                              false,
		"text/event-stream, */*":              true,
		"text/event-stream, application/json": false,
		"text/event-stream, application/json;q=0.9":     true,
		"text/event-stream;q=0.5, application/json":     false,
		"text/event-stream;q=0":                         false,
		"text/event-stream;q=x":                         false,
		"text/event-stream;q=0.5, */*;q=0.8":            false,
		"application/json;q=0.1, text/event-stream;q=1": true,
		", ;;": false,
	} {
		if got := prefersEvents([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
