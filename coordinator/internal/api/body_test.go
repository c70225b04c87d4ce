package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
)

// newBodyServer serves routes behind everything that stands before a handler, and
// gives bodies d to arrive. slow answers when release is closed, and tells through
// gone when its request has ended before.
func newBodyServer(t *testing.T, d time.Duration) (addr string, release chan struct{}, gone chan error) {
	t.Helper()
	keys, err := access.OpenKeys(access.KeysConfig{Secret: "0123456789abcdef0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{mux: http.NewServeMux(), table: make(map[string]route)}
	s.cfg.Access = Access{Keys: keys, Failures: access.NewFailures(access.FailuresConfig{}), Limiter: access.NewLimiter(access.Rates{}, nil)}
	s.clients = newClients(&s.cfg.Access)
	release, gone = make(chan struct{}), make(chan error, 1)
	quick := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	slow := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			quick(w, r)
		case <-r.Context().Done():
			gone <- r.Context().Err()
		}
	}
	s.handle(route{method: "GET", path: "/health", open: true}, quick)
	s.handle(route{method: "POST", path: "/accounts", scope: access.Accounts}, quick)
	s.handle(route{method: "GET", path: "/accounts", scope: access.Read}, quick)
	s.handle(route{method: "GET", path: "/slow", scope: access.Read}, slow)
	s.handle(route{method: "POST", path: "/slow", scope: access.Sign}, slow)
	s.mux.HandleFunc("/", unrouted(s.mux, "/"))
	srv := httptest.NewServer(bound(d, s.identify(contain(s.guard(readBody(s.mux))))))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), release, gone
}

const keyHeader = "X-API-Key: 0123456789abcdef0123456789abcdef\r\n"

// send writes a request by hand and leaves the connection open.
func send(t *testing.T, addr, method, path, headers, body string) *bufio.Reader {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the server may have
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s", method, path, headers, body); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(conn)
}

func status(t *testing.T, from *bufio.Reader) int {
	t.Helper()
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() // read to the end
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// TestBodiesThatDoNotCome announces bodies and does not send them, or not to the
// end: whoever asks for what, the connection is given up.
func TestBodiesThatDoNotCome(t *testing.T) {
	addr, _, _ := newBodyServer(t, 100*time.Millisecond)
	for _, c := range []struct {
		method, path, headers, body string
		want                        int
	}{
		{"POST", "/accounts", "Content-Length: 100\r\n", "", 401},
		{"POST", "/accounts", "Content-Length: 100\r\n", "{", 401},
		{"POST", "/accounts", "Transfer-Encoding: chunked\r\n", "5\r\n{", 401},
		{"POST", "/accounts", "Content-Length: 100\r\n" + keyHeader, "{", 408},
		{"POST", "/accounts", "Content-Length: 100\r\nExpect: 100-continue\r\n", "", 401},
		{"POST", "/health", "Content-Length: 100\r\n", "", 401},
		{"POST", "/nothing", "Content-Length: 100\r\n", "", 401},
		{"GET", "/health", "Content-Length: 100\r\n", "x", 200},
		{"GET", "/accounts", "Content-Length: 100\r\n", "x", 401},
		{"GET", "/accounts", "Content-Length: 100\r\n" + keyHeader, "x", 200},
		{"GET", "/accounts", "Transfer-Encoding: chunked\r\n" + keyHeader, "5\r\nx", 200},
	} {
		from := send(t, addr, c.method, c.path, c.headers, c.body)
		if got := status(t, from); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
		if n, err := io.Copy(io.Discard, from); n != 0 || err != nil {
			t.Errorf("%+v: the connection is still used: %d bytes, %v", c, n, err)
		}
	}
}

// TestConnectionsOutliveBodies uses a connection again after a body that was
// read, or thrown away.
func TestConnectionsOutliveBodies(t *testing.T) {
	addr, _, _ := newBodyServer(t, time.Minute)
	for _, method := range []string{"GET", "POST"} {
		for _, path := range []string{"/health", "/accounts"} {
			from := send(t, addr, method, path, "Content-Length: 2\r\n", "{}GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
			status(t, from)
			if got := status(t, from); got != 200 {
				t.Errorf("after %s %s: %d", method, path, got)
			}
		}
	}
}

// TestWaitingHasNoDeadline waits for longer than a body may take, with and
// without one, and the handler still hears when its caller goes.
func TestWaitingHasNoDeadline(t *testing.T) {
	const d = 100 * time.Millisecond
	for _, c := range []struct{ method, headers, body string }{
		{"GET", keyHeader, ""}, {"GET", keyHeader + "Content-Length: 2\r\n", "{}"}, {"POST", keyHeader + "Content-Length: 2\r\n", "{}"}, {"POST", keyHeader, ""},
	} {
		addr, release, gone := newBodyServer(t, d)
		from := send(t, addr, c.method, "/slow", c.headers, c.body)
		select {
		case err := <-gone:
			t.Fatalf("%+v: %v", c, err)
		case <-time.After(3 * d):
		}
		close(release)
		if got := status(t, from); got != 200 {
			t.Errorf("%+v: %d", c, got)
		}
		addr, _, gone = newBodyServer(t, d)
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "%s /slow HTTP/1.1\r\nHost: x\r\n%s\r\n%s", c.method, c.headers, c.body); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		<-gone
	}
}
