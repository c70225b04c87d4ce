package coordinator

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol/leaktest"
)

const testKey = "0123456789abcdef0123456789abcdef"

func TestMain(m *testing.M) {
	leaktest.Main(suite{m})
}

// cluster is a coordinator over a fakeNet, reached over real HTTP.
type cluster struct {
	t    testing.TB
	net  *fakeNet
	cfg  Config
	c    *Coordinator
	stop func()
	base string // URL
	http *http.Client
}

func newCluster(t testing.TB, names ...string) *cluster {
	t.Helper()
	return newClusterWith(t, func(*Config) {}, names...)
}

func newClusterWith(t testing.TB, change func(*Config), names ...string) *cluster {
	t.Helper()
	_, approver, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cl := &cluster{t: t, net: newFakeNet(t, names...), http: &http.Client{Transport: &http.Transport{}}}
	cl.cfg = Config{
		Dir: t.TempDir(), Network: testNetwork, Listen: []string{"127.0.0.1:0"}, Edge: Edge{APIKey: testKey}, Approver: approver,
		DrainTimeout: 500 * time.Millisecond,
	}
	change(&cl.cfg)
	cl.start()
	t.Cleanup(func() {
		cl.http.CloseIdleConnections() // HTTP/2 would take leave of them for a second, of three that a stop gives to callers
		cl.stop()
		cl.http.CloseIdleConnections()
	})
	cl.waitParties(len(names))
	return cl
}

// start runs a coordinator on the cluster's folder.
func (cl *cluster) start() {
	cl.t.Helper()
	var c *Coordinator
	var err error
	if cl.cfg.Mesh != nil {
		c, err = New(cl.cfg)
	} else {
		c, err = assemble(cl.cfg, cl.net)
	}
	if err != nil {
		cl.t.Fatal(err)
	}
	c.server.ReadHeaderTimeout = time.Minute // on a busy machine callers are slow, and they are many
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	cl.c, cl.base = c, "http://"+c.Addrs()[0]
	stopped := false
	cl.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			cl.t.Errorf("Run: %v", err)
		}
	}
}

// restart stops the coordinator and starts a new one on the same folder.
func (cl *cluster) restart() {
	cl.t.Helper()
	cl.net.unplug()
	cl.stop()
	cl.start()
}

func (cl *cluster) waitParties(n int) {
	cl.t.Helper()
	until(cl.t, fmt.Sprintf("%d live parties", n), func() bool { return len(cl.c.pool.Live()) == n })
}

// until polls a condition; it fails the test when it does not hold in time.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute) // the machine may be busy
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// call is one HTTP call.
type call struct {
	method, path, body string
	header             map[string]string
	noKey              bool
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes a call and holds its answer against the contract.
func (cl *cluster) do(c call) answer {
	cl.t.Helper()
	a := cl.fetch(c)
	if a.status != 0 {
		cl.conforms(c, a)
	}
	return a
}

// fetch makes a call; without an answer the status is 0.
func (cl *cluster) fetch(c call) answer {
	cl.t.Helper()
	cl.net.beat() // a machine that was too busy for heartbeats has lost no party
	req, err := http.NewRequest(c.method, cl.base+c.path, bytes.NewBufferString(c.body))
	if err != nil {
		cl.t.Fatal(err)
	}
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.noKey {
		req.Header.Set("X-API-Key", testKey)
	}
	for k, v := range c.header {
		req.Header.Set(k, v)
	}
	res, err := cl.http.Do(req)
	if err != nil {
		cl.t.Errorf("%s %s: %v", c.method, c.path, err) // not Fatal: calls are made on goroutines too
		return answer{}
	}
	defer res.Body.Close() // read to the end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		cl.t.Errorf("%s %s: %v", c.method, c.path, err)
	}
	return answer{res.StatusCode, res.Header, body}
}

// conforms holds an answer against the OpenAPI document.
func (cl *cluster) conforms(c call, a answer) {
	cl.t.Helper()
	k, err := theContract()
	if err == nil {
		err = k.check(c, a)
	}
	if err != nil {
		cl.t.Errorf("%s %s breaks the contract: %v\n%s", c.method, c.path, err, a.body)
	}
}

func (cl *cluster) get(path string) answer {
	cl.t.Helper()
	return cl.do(call{method: "GET", path: path})
}

func (cl *cluster) post(path, body string) answer {
	cl.t.Helper()
	return cl.do(call{method: "POST", path: path, body: body})
}

// as decodes an answer and checks its status.
func as[T any](t testing.TB, a answer, status int) (v T) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("decode %s: %v", a.body, err)
	}
	return v
}

// problem decodes an answer that must be a problem document with this code.
func problem(t testing.TB, a answer, status int, code string) rest.Problem {
	t.Helper()
	p := as[rest.Problem](t, a, status)
	if p.Code != code || p.Status != status || p.Detail == "" || p.Title == "" || p.RequestID == "" {
		t.Errorf("problem %s: want code %s and status %d, with title, detail and request id", a.body, code, status)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q of a problem", ct)
	}
	return p
}

func (cl *cluster) account(body string) rest.Account {
	cl.t.Helper()
	return as[rest.Account](cl.t, cl.post("/api/v1/accounts", body), http.StatusCreated)
}

func (cl *cluster) session(id string) rest.Session {
	cl.t.Helper()
	return as[rest.Session](cl.t, cl.get("/api/v1/sessions/"+id), http.StatusOK)
}

func (cl *cluster) events(id string) []rest.Event {
	cl.t.Helper()
	return as[rest.EventList](cl.t, cl.get("/api/v1/sessions/"+id+"/events"), http.StatusOK).Events
}

func openTestDB(dir string) (*badger.DB, error) { return keystore.OpenDB(dir) }
