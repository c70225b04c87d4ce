package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestAsync(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.do(call{method: "POST", path: "/api/v1/accounts", body: `{"user_id":"u"}`, header: map[string]string{"Prefer": "wait=5, respond-async"}})
	s := as[rest.Session](t, a, http.StatusAccepted)
	if a.header.Get("Location") != "/api/v1/sessions/"+s.ID || a.header.Get("Preference-Applied") != "respond-async" {
		t.Errorf("headers %v", a.header)
	}
	until(t, "the account is active", func() bool {
		return as[rest.Account](t, cl.get("/api/v1/accounts/"+s.AccountID), http.StatusOK).Status == "active"
	})
	if s := as[rest.Session](t, cl.get(a.header.Get("Location")), http.StatusOK); s.Status != "completed" || s.KeygenSessionID != s.ID {
		t.Errorf("session %+v", s)
	}
}

func TestCallerWhoGoesAwayDoesNotEndTheSession(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{hold: true})
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+cl.c.Addrs()[0]+"/api/v1/accounts/"+a.ID+"/sign", strings.NewReader(`{"message":"`+digest+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", testKey)
	gone := make(chan error, 1)
	go func() {
		res, err := cl.http.Do(req)
		if err == nil {
			err = errors.Join(errors.New("an answer came"), res.Body.Close())
		}
		gone <- err
	}()
	running := func() rest.SessionList {
		return as[rest.SessionList](t, cl.get("/api/v1/sessions?kind=sign&status=running"), http.StatusOK)
	}
	until(t, "the session runs", func() bool { return len(running().Sessions) == 1 })
	id := running().Sessions[0].ID
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	cl.net.all(script{})
	until(t, "the session is complete", func() bool { return cl.session(id).Status == "completed" })
}

func TestPaging(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2")
	var want []string
	for i := range 7 {
		a := cl.account(fmt.Sprintf(`{"user_id":"user%d","threshold":{"t":2,"n":2},"scheme":"eddsa-ed25519"}`, i%2))
		want = append([]string{a.ID}, want...)
	}
	var got []string
	for cursor := ""; ; {
		list := as[rest.AccountList](t, cl.get("/api/v1/accounts?limit=3&cursor="+cursor), http.StatusOK)
		for _, a := range list.Accounts {
			got = append(got, a.ID)
		}
		if cursor = list.NextCursor; cursor == "" {
			break
		}
		if len(list.Accounts) != 3 {
			t.Fatalf("a page of %d", len(list.Accounts))
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if n := len(as[rest.AccountList](t, cl.get("/api/v1/accounts?user_id=user1"), http.StatusOK).Accounts); n != 3 {
		t.Errorf("%d accounts of user1", n)
	}
	sessions := as[rest.SessionList](t, cl.get("/api/v1/sessions?kind=keygen&status=completed&account_id="+want[0]), http.StatusOK).Sessions
	if len(sessions) != 1 || sessions[0].AccountID != want[0] {
		t.Errorf("sessions %+v", sessions)
	}
	if n := len(as[rest.SessionList](t, cl.get("/api/v1/sessions?kind=sign"), http.StatusOK).Sessions); n != 0 {
		t.Errorf("%d sign sessions", n)
	}
}

func TestEventsAfter(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2")
	a := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2}}`)
	path := "/api/v1/sessions/" + a.KeygenSessionID + "/events"
	all := cl.events(a.KeygenSessionID)
	first := as[rest.EventList](t, cl.get(path+"?limit=1"), http.StatusOK)
	rest := as[rest.EventList](t, cl.get(fmt.Sprintf("%s?after=%d", path, first.After)), http.StatusOK)
	if len(first.Events) != 1 || first.Events[0].Type != "session.created" || len(rest.Events) != len(all)-1 {
		t.Errorf("%d and %d of %d events", len(first.Events), len(rest.Events), len(all))
	}
	for i := 1; i < len(all); i++ {
		if all[i].Seq <= all[i-1].Seq {
			t.Errorf("sequence %d after %d", all[i].Seq, all[i-1].Seq)
		}
		if all[i].Type == "party.accepted" && (all[i].Party == nil || all[i].Party.Name == "") {
			t.Errorf("event %+v names nobody", all[i])
		}
	}
}

func TestPartiesAndReady(t *testing.T) {
	t.Parallel()
	cl := newCluster(t, "p1", "p2", "p3")
	list := as[rest.PartyList](t, cl.get("/api/v1/parties"), http.StatusOK).Parties
	if len(list) != 3 || list[0].Name != "p1" || list[0].State != "live" || list[0].Stock != 3 || list[0].PeerID != cl.net.party("p1").ID() {
		t.Errorf("parties %+v", list)
	}
	if r := as[rest.Ready](t, cl.do(call{method: "GET", path: "/ready", noKey: true}), http.StatusOK); r.Parties != 3 {
		t.Errorf("ready %+v", r)
	}
}

// TestOpenAPI checks that every route is in the document, with its errors.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	a := cl.do(call{method: "GET", path: "/openapi.yaml", noKey: true})
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string `yaml:"operationId"`
			Responses   map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	if err := yaml.Unmarshal(a.body, &doc); err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{
		"get /health", "get /ready", "post /api/v1/accounts", "get /api/v1/accounts", "get /api/v1/accounts/{id}",
		"post /api/v1/accounts/{id}/sign", "get /api/v1/sessions", "get /api/v1/sessions/{id}", "get /api/v1/sessions/{id}/events", "get /api/v1/parties",
	} {
		method, path, _ := strings.Cut(route, " ")
		op, ok := doc.Paths[path][method]
		if !ok || op.OperationID == "" || len(op.Responses) == 0 {
			t.Errorf("%s is not described", route)
		}
		if strings.HasPrefix(path, "/api") && op.Responses["401"] == nil {
			t.Errorf("%s does not tell about 401", route)
		}
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Components.Schemas["Problem"] == nil || doc.Components.Schemas["Account"] == nil {
		t.Errorf("version %q, schemas %v", doc.OpenAPI, doc.Components.Schemas)
	}
	if strings.Contains(string(a.body), "ErrorModel") {
		t.Error("the framework's own error type is described")
	}
	if sign := doc.Paths["/api/v1/accounts/{id}/sign"]["post"].Responses; sign["200"] == nil || sign["202"] == nil || sign["201"] != nil || sign["503"] == nil {
		t.Errorf("answers of sign: %v", sign)
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	a := cl.do(call{method: "GET", path: "/health", header: map[string]string{"X-Request-Id": "my-id.1"}})
	if id := a.header.Get("X-Request-Id"); id != "my-id.1" {
		t.Errorf("id %q", id)
	}
	a = cl.do(call{method: "GET", path: "/health", header: map[string]string{"X-Request-Id": "no spaces!"}})
	if id := a.header.Get("X-Request-Id"); len(id) != 36 {
		t.Errorf("id %q", id)
	}
}

func TestStopLetsSessionsFinish(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.DrainTimeout = 20 * time.Second }, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{hold: true})
	signed := make(chan answer, 1)
	go func() { signed <- cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`) }()
	until(t, "the parties are done", func() bool {
		n := 0
		for _, p := range cl.net.order {
			n += p.waiting()
		}
		return n == 2
	})
	stopped := make(chan struct{})
	go func() { cl.stop(); close(stopped) }()
	until(t, "the coordinator drains", cl.c.engine.IsDraining)
	problem(t, cl.post("/api/v1/accounts", `{"user_id":"u"}`), http.StatusServiceUnavailable, "shutting_down")
	problem(t, cl.do(call{method: "GET", path: "/ready", noKey: true}), http.StatusServiceUnavailable, "not_ready")
	cl.net.all(script{})
	as[rest.SignResult](t, <-signed, http.StatusOK)
	<-stopped
}

func TestStopWithinABound(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.DrainTimeout = 200 * time.Millisecond }, "p1", "p2", "p3")
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{mute: true})
	signed := make(chan answer, 1)
	go func() { signed <- cl.post("/api/v1/accounts/"+a.ID+"/sign", `{"message":"`+digest+`"}`) }()
	until(t, "the session runs", func() bool {
		return cl.net.count(func(f *protocol.Frame) bool { return f.Propose != nil && f.Propose.Spec.Kind == protocol.KindSign }) > 0
	})
	began := time.Now()
	cl.stop()
	if took := time.Since(began); took > 15*time.Second { // less than the default, and than the session has
		t.Errorf("stopping took %v", took)
	}
	p := problem(t, <-signed, http.StatusServiceUnavailable, "shutting_down")
	if p.SessionID == "" {
		t.Error("the problem does not name the session")
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	good := func() Config {
		return Config{Dir: t.TempDir(), Network: testNetwork, Listen: []string{"127.0.0.1:0"}, Edge: Edge{APIKey: testKey}, Approver: newIdentity(t).key}
	}
	for name, change := range map[string]func(*Config){
		"no folder":   func(c *Config) { c.Dir = "" },
		"no network":  func(c *Config) { c.Network = "" },
		"no approver": func(c *Config) { c.Approver = nil },
		"no address":  func(c *Config) { c.Listen = nil },
		"short key":   func(c *Config) { c.APIKey = testKey[:31] },
		"timeout":     func(c *Config) { c.SignTimeout = time.Hour },
		"drain":       func(c *Config) { c.DrainTimeout = -1 },
		"retention":   func(c *Config) { c.Retention = time.Hour },
	} {
		cfg := good()
		change(&cfg)
		if _, err := assemble(cfg, newFakeNet(t)); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good()); !errors.Is(err, ErrConfig) {
		t.Errorf("no mesh: %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	cfg := cl.cfg
	cfg.Dir = t.TempDir()
	cfg.Listen = []string{"127.0.0.1:0", cl.c.Addrs()[0]}
	if _, err := assemble(cfg, newFakeNet(t)); !errors.Is(err, ErrListen) || !strings.Contains(err.Error(), cl.c.Addrs()[0]) {
		t.Errorf("error %v", err)
	}
}

func TestFolderInUse(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	cfg := cl.cfg
	if _, err := assemble(cfg, newFakeNet(t)); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %v", err)
	}
}

func TestSeveralListeners(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.Listen = []string{"127.0.0.1:0", "127.0.0.1:0"} })
	for _, addr := range cl.c.Addrs() {
		res, err := cl.http.Get("http://" + addr + "/health")
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK || res.Body.Close() != nil {
			t.Errorf("%s: %d", addr, res.StatusCode)
		}
	}
}
