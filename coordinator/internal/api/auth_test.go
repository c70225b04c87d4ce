package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
)

func TestPathID(t *testing.T) {
	const pattern = prefix + "/sessions/{id}/events"
	for path, want := range map[string]string{
		"/api/v1/sessions/abc/events":      "abc",
		"/api/v1/sessions/a%2Fb/events":    "a/b", // one part, as the mux has it
		"/api/v1/sessions/%61bc/events":    "abc",
		"/api/v1/sessions":                 "",
		"/api/v1/sessions/mine%2Fx/events": "mine/x",
	} {
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := pathID(pattern, u); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestJoinToken checks that a token opens its session and nothing else.
func TestJoinToken(t *testing.T) {
	keys, err := access.OpenKeys(access.KeysConfig{Secret: "0123456789abcdef0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{mux: http.NewServeMux(), table: make(map[string]route)}
	s.cfg.Access = Access{
		Keys: keys, Failures: access.NewFailures(access.FailuresConfig{}), Limiter: access.NewLimiter(access.Rates{}, nil),
		JoinToken: func(r *http.Request) (string, string, bool) {
			return "mine", "phone", r.Header.Get("Authorization") == "Bearer good"
		},
		JoinAllow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}
	s.clients = newClients(&s.cfg.Access)
	answer := func(w http.ResponseWriter, r *http.Request) {
		if c := access.From(r.Context()); c.Session != "mine" || c.Peer != "phone" || c.KeyID != "" || c.May(access.Read) {
			t.Errorf("caller %+v", c)
		}
	}
	s.handle(route{method: "GET", path: prefix + "/sessions/{id}", scope: access.Read, join: joinByToken}, answer)
	s.handle(route{method: "GET", path: prefix + "/accounts/{id}", scope: access.Read}, answer)
	h := s.identify(s.guard(s.mux))
	for _, c := range []struct {
		path, authorization, remote string
		status                      int
	}{
		{"/sessions/mine", "Bearer good", "192.0.2.1:1", 200},
		{"/sessions/mine", "bearer good", "192.0.2.1:1", 401}, // the hook's matter: here it wants the exact text
		{"/sessions/mine", "Bearer bad", "192.0.2.1:1", 401},
		{"/sessions/other", "Bearer good", "192.0.2.1:1", 401},
		{"/sessions/mine%2Fother", "Bearer good", "192.0.2.1:1", 401},
		{"/accounts/mine", "Bearer good", "192.0.2.1:1", 403}, // not a joiner's route: the other list of addresses
		{"/accounts/mine", "Bearer good", "127.0.0.1:1", 401},
		{"/sessions/mine", "Bearer good", "127.0.0.1:1", 403},
		{"/sessions/mine", "Basic good", "192.0.2.1:1", 403},
		{"/sessions/mine", "", "192.0.2.1:1", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, prefix+c.path, nil)
		r.RemoteAddr = c.remote
		r.Header.Set("Authorization", c.authorization)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s with %q from %s: %d, want %d: %s", c.path, c.authorization, c.remote, w.Code, c.status, w.Body)
		}
	}
}

func TestRoutesSayWhoMayCall(t *testing.T) {
	for _, rt := range []route{{open: true}, {keyless: true}, {join: joinByCode}, {scope: access.Read}} {
		if err := rt.check(); err != nil {
			t.Errorf("%+v: %v", rt, err)
		}
	}
	for _, rt := range []route{{}, {join: joinByToken}} {
		if rt.check() == nil {
			t.Errorf("%+v is let through", rt)
		}
	}
}
