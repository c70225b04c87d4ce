package coordinator

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// described is a route as the OpenAPI document has it.
type described struct {
	method, path string
	scopes       []string // any of them is enough; none: no key is needed
	token        bool     // a join token does as well
}

// call makes a request of a route, with ids that belong to nothing.
func (d described) call(header map[string]string) call {
	path := strings.NewReplacer("{id}", "nothing", "{code}", "nothing").Replace(d.path)
	c := call{method: d.method, path: path, header: header, noKey: true}
	if d.method != "GET" && d.method != "DELETE" {
		c.body = "{}"
	}
	return c
}

// describedRoutes reads who may call what from the document that is served.
func (cl *cluster) describedRoutes() (list []described) {
	cl.t.Helper()
	var doc struct {
		Paths map[string]map[string]struct{ Security []map[string][]string }
	}
	if err := yaml.Unmarshal(cl.do(call{method: "GET", path: "/openapi.yaml", noKey: true}).body, &doc); err != nil {
		cl.t.Fatal(err)
	}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			d := described{method: strings.ToUpper(method), path: path}
			for _, s := range op.Security {
				d.scopes = append(d.scopes, s["key"]...)
				_, token := s["joinToken"]
				d.token = d.token || token
			}
			list = append(list, d)
		}
	}
	return list
}

// withKeyFile returns a change of the configuration, and its file of keys.
func withKeyFile(t *testing.T) (func(*Config), KeyFile) {
	file := KeyFile(filepath.Join(t.TempDir(), "api-keys.json"))
	return func(c *Config) { c.KeyFile = string(file) }, file
}

// newKey makes a key and returns the header that shows it.
func newKey(t *testing.T, file KeyFile, req NewKey) (Key, map[string]string) {
	t.Helper()
	req.Name = "test"
	key, secret, err := file.Create(req)
	if err != nil {
		t.Fatal(err)
	}
	return key, map[string]string{"X-API-Key": secret}
}

// keyrings are the keys that the matrix tries.
type keyrings struct {
	expired, revoked, admin map[string]string
	only                    map[string]map[string]string // by scope: a key with this one alone
}

func newKeyrings(t *testing.T, file KeyFile) keyrings {
	t.Helper()
	k := keyrings{only: make(map[string]map[string]string)}
	_, k.expired = newKey(t, file, NewKey{Scopes: KeyScopes(), Expires: time.Now().Add(-time.Hour)})
	_, k.admin = newKey(t, file, NewKey{Scopes: []string{"admin"}})
	gone, header := newKey(t, file, NewKey{Scopes: KeyScopes()})
	k.revoked = header
	if _, err := file.Revoke(gone.ID); err != nil {
		t.Fatal(err)
	}
	for _, s := range KeyScopes() {
		_, k.only[s] = newKey(t, file, NewKey{Scopes: []string{s}})
	}
	return k
}

// TestEveryRouteChecksKeys tries every route that is served with every kind of
// key.
func TestEveryRouteChecksKeys(t *testing.T) {
	t.Parallel()
	change, file := withKeyFile(t)
	keys := newKeyrings(t, file)
	cl := newClusterWith(t, change)
	var keyless []string
	for _, d := range cl.describedRoutes() {
		if len(d.scopes) == 0 {
			keyless = append(keyless, d.method+" "+d.path)
			continue
		}
		t.Run(d.method+" "+d.path, func(t *testing.T) { d.tryKeys(t, cl, keys) })
	}
	slices.Sort(keyless)
	want := "GET /api/v1/invites/{code}, GET /health, GET /openapi.yaml, GET /ready, POST /api/v1/invites/{code}/join"
	if got := strings.Join(keyless, ", "); got != want {
		t.Errorf("routes without a key: %s\nwant %s", got, want)
	}
}

func (d described) tryKeys(t *testing.T, cl *cluster, keys keyrings) {
	for name, c := range map[string]struct {
		header map[string]string
		detail string
	}{
		"missing":        {nil, "missing or wrong"},
		"empty":          {map[string]string{"X-API-Key": ""}, "missing or wrong"},
		"unknown":        {map[string]string{"X-API-Key": strings.Repeat("f", 57)}, "missing or wrong"},
		"a key's id":     {map[string]string{"X-API-Key": "k_aaaaaaaa"}, "missing or wrong"},
		"as a bearer":    {map[string]string{"Authorization": "Bearer " + testKey}, ""},
		"in the address": {map[string]string{"X-Forwarded-For": "127.0.0.1"}, "missing or wrong"},
		"expired":        {keys.expired, "expired at 20"},
		"revoked":        {keys.revoked, "revoked at 20"},
	} {
		a := cl.do(d.call(c.header))
		if p := problem(t, a, 401, "unauthorized"); !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %s", name, p.Detail)
		}
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	for scope, header := range keys.only {
		a := cl.do(d.call(header))
		if scope == "admin" || slices.Contains(d.scopes, scope) {
			if a.status == 401 || a.status == 429 {
				t.Errorf("scope %s: %d %s", scope, a.status, a.body)
			}
			if a.status == 403 && len(d.scopes) == 1 { // several: the handler may want the other one
				t.Errorf("scope %s is not enough: %s", scope, a.body)
			}
			continue
		}
		if p := problem(t, a, 403, "scope_missing"); !strings.Contains(p.Detail, `"`+d.scopes[0]+`"`) {
			t.Errorf("scope %s: %s", scope, p.Detail)
		}
	}
}

// TestScopeOfASession holds what only the body of a call tells.
func TestScopeOfASession(t *testing.T) {
	t.Parallel()
	change, file := withKeyFile(t)
	keys := newKeyrings(t, file)
	cl := newClusterWith(t, change)
	for _, c := range []struct {
		scope, kind string
		may         bool
	}{{"sign", "sign", true}, {"sessions", "sign", false}, {"sign", "keygen", false}, {"sessions", "keygen", true}} {
		a := cl.do(call{
			method: "POST", path: "/api/v1/sessions", noKey: true, header: keys.only[c.scope],
			body: `{"kind":"` + c.kind + `","account_id":"nothing","message":"` + digest + `","user_id":"u"}`,
		})
		if c.may == (a.status == 403) {
			t.Errorf("scope %s, kind %s: %d %s", c.scope, c.kind, a.status, a.body)
		}
		if !c.may {
			problem(t, a, 403, "scope_missing")
		}
	}
}

// TestRevokedWhileRunning checks that a running coordinator follows the file.
func TestRevokedWhileRunning(t *testing.T) {
	t.Parallel()
	change, file := withKeyFile(t)
	cl := newClusterWith(t, change)
	key, header := newKey(t, file, NewKey{Scopes: []string{"read"}})
	list := call{method: "GET", path: "/api/v1/parties", header: header, noKey: true}
	until(t, "the new key works", func() bool { return cl.do(list).status == 200 })
	if _, err := file.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	until(t, "the key is revoked", func() bool { return cl.do(list).status == 401 })
	if took := time.Since(began); took > 5*time.Second { // five times what is promised
		t.Errorf("revoking took %v", took)
	}
	if p := problem(t, cl.do(list), 401, "unauthorized"); !strings.Contains(p.Detail, "revoked") {
		t.Error(p.Detail)
	}
	if a := cl.get("/api/v1/parties"); a.status != 200 {
		t.Errorf("the backend's key: %d", a.status)
	}
}

// TestKeyFileIsEnough runs a coordinator without a key in its configuration.
func TestKeyFileIsEnough(t *testing.T) {
	t.Parallel()
	change, file := withKeyFile(t)
	_, header := newKey(t, file, NewKey{Scopes: []string{"read"}})
	cl := newClusterWith(t, func(c *Config) { change(c); c.APIKey = "" })
	as[rest.PartyList](t, cl.do(call{method: "GET", path: "/api/v1/parties", header: header, noKey: true}), 200)
	problem(t, cl.get("/api/v1/parties"), 401, "unauthorized") // testKey
}
