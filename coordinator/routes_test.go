package coordinator

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// problemRoutes returns the routes of the document that list a problem, as calls
// whose ids belong to nothing.
func (cl *cluster) problemRoutes(code string) (calls []call) {
	cl.t.Helper()
	k, err := theContract()
	if err != nil {
		cl.t.Fatal(err)
	}
	for _, d := range cl.describedRoutes() {
		where := []string{"paths", d.path, strings.ToLower(d.method), "responses"}
		for status := range at[map[string]any](k.doc, where...) {
			for _, listed := range at[[]any](k.doc, append(where, status, "x-codes")...) {
				if listed == code {
					c := d.call(nil)
					c.noKey = false
					calls = append(calls, c)
				}
			}
		}
	}
	if len(calls) == 0 {
		cl.t.Fatalf("no route lists %s", code)
	}
	return calls
}

// TestEveryRouteRefusesAlike tries what is refused in the same way everywhere on
// every route that says so.
func TestEveryRouteRefusesAlike(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t)
	large := `{"x":"` + strings.Repeat("x", 192<<10) + `"}`
	for _, c := range []struct {
		code   string
		status int
		change func(*call)
	}{
		{"body_too_large", 413, func(c *call) { c.body = large }},
		{"unsupported_media_type", 415, func(c *call) { c.header = map[string]string{"Content-Type": "text/plain"} }},
		{"invalid_cursor", 422, func(c *call) { c.path += "?cursor=x" }},
		{"invalid_request", 422, func(c *call) {
			c.path = strings.ReplaceAll(c.path, "nothing", strings.Repeat("n", 200)) + "?limit=x&after=x"
			c.header = map[string]string{"Idempotency-Key": strings.Repeat("k", 256), "Prefer": strings.Repeat("p", 300)}
		}},
	} {
		for _, call := range cl.problemRoutes(c.code) {
			c.change(&call)
			problem(t, cl.do(call), c.status, c.code)
		}
	}
	for _, call := range cl.problemRoutes("malformed_json") {
		problem(t, cl.truncated(call), 400, "malformed_json")
	}
}

// truncated makes a call whose body ends before it should.
func (cl *cluster) truncated(c call) answer {
	cl.t.Helper()
	header := http.Header{"X-Api-Key": {testKey}, "Content-Type": {"application/json"}}
	return cl.raw(c, header, "100", `{"x`, true)
}

func TestEveryRouteLooksAtTheAddress(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t)
	routes := cl.problemRoutes("address_not_allowed")
	cl.stop()
	cl.cfg.AllowedIPs = prefixes("192.0.2.0/24")
	cl.start()
	for _, call := range routes {
		problem(t, cl.do(call), 403, "address_not_allowed")
	}
}

func TestEveryRouteIsLimited(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t)
	routes := cl.problemRoutes("rate_limited")
	cl.stop()
	cl.cfg.RateReads, cl.cfg.RateWrites = 1, 1
	cl.start()
	for _, call := range routes {
		// Where no key is needed it takes more than a hundred calls, and more than fifty a second: without
		// connections a slow machine makes them, too.
		var a answer
		until(t, call.path+" is limited", func() bool {
			for range 256 {
				if a = cl.handle(call); a.status == http.StatusTooManyRequests {
					return true
				}
			}
			return false
		})
		cl.conforms(call, a)
		problem(t, a, 429, "rate_limited")
	}
}

func TestEveryRouteIsClosedToWhoGuesses(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t)
	routes := cl.problemRoutes("too_many_failures")
	cl.stop()
	cl.cfg.AllowedIPs, cl.cfg.TrustedProxies = prefixes("192.0.2.0/24"), prefixes("127.0.0.0/8")
	cl.start()
	from := map[string]string{"X-Forwarded-For": "192.0.2.9"}
	guess := call{method: "GET", path: accountsPath, header: from, noKey: true}
	for _, call := range routes {
		until(t, "the address is blocked", func() bool { // for long enough: the block ends with the minute
			a := cl.do(guess)
			after, err := strconv.Atoi(a.header.Get("Retry-After"))
			return a.status == 429 && err == nil && after >= 5
		})
		call.header = from
		problem(t, cl.do(call), 429, "too_many_failures")
	}
}

// TestEveryBodyHasToArrive takes the 10 seconds that a body gets.
func TestEveryBodyHasToArrive(t *testing.T) {
	t.Parallel()
	cl := newJoinable(t)
	var all sync.WaitGroup
	for _, call := range cl.problemRoutes("request_timeout") {
		all.Go(func() {
			header := http.Header{"X-Api-Key": {testKey}, "Content-Type": {"application/json"}}
			a := cl.raw(call, header, "100", `{"x`, false)
			if a.status != 408 || !strings.Contains(string(a.body), "request_timeout") {
				t.Errorf("%s %s: %d %s", call.method, call.path, a.status, a.body)
			}
		})
	}
	all.Wait()
}
