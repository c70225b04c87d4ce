package hooks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// rig is a registry with webhooks, which run until stop.
type rig struct {
	t    *testing.T
	dir  string
	db   *badger.DB
	reg  *registry.Registry
	cfg  Config
	h    *Hooks
	stop func()
}

// quick are delays for tests.
var quick = []time.Duration{5 * time.Millisecond, 10 * time.Millisecond}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	r.cfg = Config{KeyFile: filepath.Join(r.dir, "webhooks.key"), Retry: quick, Version: "test", Loopback: true}
	change(&r.cfg)
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) start() {
	r.t.Helper()
	r.open()
	r.run()
}

// open opens the folder.
func (r *rig) open() {
	r.t.Helper()
	var err error
	if r.db, err = keystore.OpenDB(filepath.Join(r.dir, "db")); err != nil {
		r.t.Fatal(err)
	}
	if r.reg, err = registry.Open(r.db, time.Now); err != nil {
		r.t.Fatal(err)
	}
}

// run runs webhooks on it.
func (r *rig) run() {
	r.t.Helper()
	r.cfg.DB, r.cfg.Registry = r.db, r.reg
	var err error
	if r.h, err = New(r.cfg); err != nil {
		r.t.Fatal(err)
	}
	r.h.Render(func(id string, e *registry.Event) ([]byte, error) {
		return json.Marshal(map[string]any{"id": id, "type": e.Type, "stream": e.Stream})
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.h.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, r.db.Close()); err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

func (r *rig) create(url string, events ...string) string {
	r.t.Helper()
	id, err := r.h.Create(Request{URL: url, Events: events})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) write(events ...registry.Event) {
	r.t.Helper()
	if err := r.reg.Append(events...); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) deliveries(id string) []*Delivery {
	r.t.Helper()
	list, _, err := r.h.Deliveries(id, registry.Page{Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// settled waits until n deliveries of a webhook have a status.
func (r *rig) settled(id string, status Status, n int) []*Delivery {
	r.t.Helper()
	var list []*Delivery
	until(r.t, fmt.Sprintf("%d deliveries are %s", n, status), func() bool {
		list = nil
		for _, d := range r.deliveries(id) {
			if d.Status == status {
				list = append(list, d)
			}
		}
		return len(list) >= n
	})
	return list
}

func created(id string) registry.Event {
	return registry.Event{Stream: registry.SessionStream(id), Type: registry.SessionCreated, Session: &registry.NewSession{Kind: protocol.KindSign, Account: "a"}}
}

func progress(id string, round int) registry.Event {
	return registry.Event{Stream: registry.SessionStream(id), Type: registry.PartyProgress, Round: round}
}

func completed(id string) registry.Event {
	return registry.Event{Stream: registry.SessionStream(id), Type: registry.SessionCompleted}
}

// received is a call that a receiver took.
type received struct {
	header http.Header
	body   string
}

func (c received) event() string { return c.header.Get("Mpc-Event") }

// receiver is a webhook's other side.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	calls  []received
	answer func(n int, c received) int // status of the nth call, from 1; nil: 200
	inside int
	most   int // at a time
}

// newReceiver listens on loopback, with TLS or without.
func newReceiver(t *testing.T, secure bool, answer func(n int, c received) int) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewUnstartedServer(r)
	if secure {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	c := received{req.Header, string(body)}
	r.mu.Lock()
	r.calls = append(r.calls, c)
	n, answer := len(r.calls), r.answer
	r.inside++
	r.most = max(r.most, r.inside)
	r.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		status = answer(n, c)
	}
	r.mu.Lock()
	r.inside--
	r.mu.Unlock()
	if status >= 300 && status < 400 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(status)
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.calls...)
}

// peak is how many calls there were at a time.
func (r *receiver) peak() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.most
}

// trust returns the roots of a receiver with TLS.
func (r *receiver) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	return &tls.Config{RootCAs: pool}
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
