package coordinator

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// TestBlockedAfterFailures guesses from behind a trusted proxy, for loopback is
// never blocked.
func TestBlockedAfterFailures(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) {
		c.TrustedProxies, c.AllowedIPs = prefixes("127.0.0.1/32"), prefixes("192.0.2.0/24", "127.0.0.0/8")
	})
	list := func(key, from string) answer {
		h := map[string]string{"X-API-Key": key}
		if from != "" {
			h["X-Forwarded-For"] = from
		}
		return cl.do(call{method: "GET", path: "/api/v1/parties", header: h, noKey: true})
	}
	wrong := strings.Repeat("f", 32)
	guesses, wait := 0, 0
	for wait < 5 { // so near the end of a minute the block could end before it is looked at
		a := list(wrong, "192.0.2.7")
		if a.status == 401 {
			guesses++
			continue
		}
		p := problem(t, a, 429, "too_many_failures")
		var err error
		if wait, err = strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 || !strings.Contains(p.Detail, strconv.Itoa(wait)) {
			t.Fatalf("Retry-After %q, detail %q", a.header.Get("Retry-After"), p.Detail)
		}
	}
	if guesses < 20 || guesses > 60 { // more than 20 only over the end of a minute
		t.Errorf("blocked after %d guesses", guesses)
	}
	problem(t, list(testKey, "192.0.2.7"), 429, "too_many_failures") // not even the right key is looked at
	if a := list(testKey, "192.0.2.8"); a.status != 200 {
		t.Errorf("another client: %d", a.status)
	}
	for range 50 {
		if a := list(wrong, ""); a.status != 401 {
			t.Fatalf("loopback: %d", a.status)
		}
	}
	if a := list(testKey, ""); a.status != 200 {
		t.Errorf("loopback with the right key: %d", a.status)
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	change, file := withKeyFile(t)
	cl := newClusterWith(t, func(c *Config) { change(c); c.RateReads, c.RateWrites = 1, 1 })
	_, other := newKey(t, file, NewKey{Scopes: []string{"read"}})
	cl.c.Reload()
	var a answer
	until(t, "the limit is reached", func() bool { a = cl.get("/api/v1/parties"); return a.status != 200 })
	problem(t, a, 429, "rate_limited")
	for name, want := range map[string]string{
		"Retry-After": "1", "RateLimit-Policy": `"reads";q=1;w=1`, "RateLimit": `"reads";r=0;t=1`,
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if a := cl.post("/api/v1/accounts", "{}"); a.status != 422 || a.header.Get("RateLimit-Policy") != `"writes";q=1;w=1` {
		t.Errorf("a write: %d, %s", a.status, a.header.Get("RateLimit-Policy"))
	}
	if a := cl.do(call{method: "GET", path: "/api/v1/parties", header: other, noKey: true}); a.status != 200 {
		t.Errorf("another key: %d %s", a.status, a.body)
	}
	if a := cl.do(call{method: "GET", path: "/health", noKey: true}); a.status != 200 || a.header.Get("RateLimit") != "" {
		t.Errorf("/health: %d", a.status)
	}
}

func TestJoinersHaveAddressesOfTheirOwn(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) {
		c.TrustedProxies, c.AllowedIPs, c.JoinAllowedIPs = prefixes("127.0.0.1/32"), prefixes("192.0.2.0/24"), prefixes("198.51.100.0/24")
	})
	from := func(address, path string, more ...string) answer {
		h := map[string]string{"X-Forwarded-For": address}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return cl.do(call{method: "GET", path: path, header: h, noKey: true})
	}
	const invite, session = "/api/v1/invites/nothing", "/api/v1/sessions/nothing"
	backend, device := "192.0.2.1", "198.51.100.1"
	problem(t, from(backend, invite), 403, "address_not_allowed")
	if a := from(device, invite); a.status == 401 || a.status == 403 {
		t.Errorf("an invite without a key: %d %s", a.status, a.body)
	}
	problem(t, from(device, session), 403, "address_not_allowed")
	problem(t, from(device, session, "X-API-Key", testKey), 403, "address_not_allowed")
	problem(t, from(device, session, "X-API-Key", testKey, "Authorization", "Bearer token"), 403, "address_not_allowed")
	a := from(device, session, "Authorization", "Bearer token")
	problem(t, a, 401, "unauthorized")
	if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("WWW-Authenticate: %s", a.header.Get("WWW-Authenticate"))
	}
	problem(t, from(device, "/api/v1/accounts", "Authorization", "Bearer token"), 403, "address_not_allowed")
	problem(t, from(backend, session, "X-API-Key", testKey), 404, "session_not_found")
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	for _, c := range []call{
		{method: "GET", path: "/health"}, {method: "GET", path: "/openapi.yaml"}, {method: "GET", path: "/api/v1/accounts"},
		{method: "GET", path: "/api/v1/accounts", noKey: true}, {method: "GET", path: "/nothing"}, {method: "DELETE", path: "/health"},
		{method: "POST", path: "/api/v1/accounts", body: "{"},
	} {
		h := cl.do(c).header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": "",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s %s: %s: %q, want %q", c.method, c.path, name, got, want)
			}
		}
	}
}

// TestCurlWithoutAHeader sends what curl -d sends.
func TestCurlWithoutAHeader(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	post := func(body string) answer {
		return cl.do(call{method: "POST", path: "/api/v1/accounts", body: body, header: form})
	}
	problem(t, post(` {"user_id": "u"}`), 409, "pool_too_small") // understood
	problem(t, post(`{"user_id": `), 400, "malformed_json")
	problem(t, post("user_id=u"), 415, "unsupported_media_type")
}

// TestHugeHeader is answered before anything of ours runs.
func TestHugeHeader(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	conn, err := net.Dial("tcp", cl.c.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET /health HTTP/1.1\r\nHost: h\r\nX: %s\r\n\r\n", strings.Repeat("x", 37<<10)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", res.StatusCode)
	}
}

// sample finds a number among metrics.
func sample(t *testing.T, text, series string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMetricsOverHTTP(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(c *Config) { c.MetricsListen = "127.0.0.1:0"; c.RateReads = 1000 }, "p1", "p2")
	account := cl.account(`{"user_id":"u","threshold":{"t":2,"n":2}}`)
	for range 3 {
		as[rest.Account](t, cl.get("/api/v1/accounts/"+account.ID), 200)
	}
	problem(t, cl.get("/api/v1/accounts/nobody"), 404, "account_not_found")
	problem(t, cl.get("/made/up"), 404, "not_found")
	problem(t, cl.do(call{method: "GET", path: "/api/v1/parties", noKey: true}), 401, "unauthorized")
	problem(t, cl.get("/metrics"), 404, "not_found") // not on this listener

	res, err := cl.http.Get("http://" + cl.c.MetricsAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	for series, want := range map[string]float64{
		`mpc_http_requests_total{code="200",method="GET",route="/api/v1/accounts/{id}"}`:             3,
		`mpc_http_requests_total{code="404",method="GET",route="/api/v1/accounts/{id}"}`:             1,
		`mpc_http_requests_total{code="201",method="POST",route="/api/v1/accounts"}`:                 1,
		`mpc_http_requests_total{code="404",method="GET",route="unmatched"}`:                         2,
		`mpc_http_requests_total{code="401",method="GET",route="/api/v1/parties"}`:                   1,
		`mpc_http_request_duration_seconds_count{code="201",method="POST",route="/api/v1/accounts"}`: 1,
		`mpc_http_failed_authentications_total{reason="missing_key"}`:                                1,
		`mpc_live_parties`: 2,
	} {
		if got := sample(t, text, series); got != want {
			t.Errorf("%s: %v, want %v", series, got, want)
		}
	}
	if n := sample(t, text, "mpc_registry_events_total"); n < 4 {
		t.Errorf("%v events", n)
	}
	if strings.Contains(text, account.ID) || strings.Contains(text, "made/up") {
		t.Error("a path of a caller is a label")
	}
}
