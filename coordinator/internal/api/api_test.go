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
		got, ok := newClients(nil, proxies).addr(r)
		if ok != (c.want != "") || (ok && got.String() != c.want) {
			t.Errorf("%s, forwarded %v: %v, %v; want %q", c.remote, c.forwarded, got, ok, c.want)
		}
	}
}

func TestPanicBecomesAProblem(t *testing.T) {
	h := identify(contain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a fault") })))
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

func TestKeyring(t *testing.T) {
	if _, err := newKeyring(nil); err == nil {
		t.Error("no key is enough")
	}
	if _, err := newKeyring([]string{strings.Repeat("k", MinKeyLength-1)}); err == nil {
		t.Error("a short key is enough")
	}
	one, two := strings.Repeat("1", 32), strings.Repeat("2", 40)
	k, err := newKeyring([]string{one, two})
	if err != nil {
		t.Fatal(err)
	}
	for key, holds := range map[string]bool{one: true, two: true, "": false, one + "1": false, two[:32]: false} {
		if k.holds(key) != holds {
			t.Errorf("holds(%q) = %v", key, !holds)
		}
	}
}

func TestProblemsHaveStatuses(t *testing.T) {
	for code, status := range statuses {
		p := newProblem(code, "d")
		if status < 400 || p.Status != status || p.Title == "" {
			t.Errorf("%s: %+v", code, p)
		}
	}
}
