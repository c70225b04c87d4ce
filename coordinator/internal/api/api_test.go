package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

func TestClientAddress(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string // empty: nobody's
	}{
		{"192.0.2.1:5", nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		{"[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		{"[fe80::1%eth0]:5", nil, "fe80::1"},
		{"10.0.0.1:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[::ffff:10.0.0.1]:5", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:5", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:5", []string{"198.51.100.1, 10.2.3.4"}, "198.51.100.1"},
		{"[fd00::1]:5", []string{"2001:db8::1"}, "2001:db8::1"},
		{"10.0.0.1:5", []string{"10.9.9.9"}, "10.9.9.9"},
		{"10.0.0.1:5", nil, "10.0.0.1"},
		{"10.0.0.1:5", []string{"junk"}, ""},
		{"10.0.0.1:5", []string{"198.51.100.1:80"}, ""},
		{"junk", nil, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		r.Header["X-Forwarded-For"] = c.forwarded
		got, ok := newClients(&Access{Proxies: proxies}).addr(r)
		if ok != (c.want != "") || (ok && got.String() != c.want) {
			t.Errorf("%s, forwarded %v: %v, %v; want %q", c.remote, c.forwarded, got, ok, c.want)
		}
	}
}

func TestPanicBecomesAProblem(t *testing.T) {
	h := (&server{mux: http.NewServeMux()}).identify(contain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault") })))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/x", nil))
	var p rest.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if w.Code != 500 || p.Code != "internal_error" || p.RequestID == "" || strings.Contains(w.Body.String(), "a fault") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
