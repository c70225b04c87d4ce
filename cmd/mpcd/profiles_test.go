package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestProfiles asks a daemon for profiles as go tool pprof does, and as a web page
// would that has its own name resolve to loopback.
func TestProfiles(t *testing.T) {
	d := &dataDir{}
	stop, err := d.serveProfiles("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path, host string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.pprof+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, host := range []string{"", "localhost:7000", "[::1]:7000", "127.0.0.1"} {
		if code, body := get("/debug/pprof/goroutine?debug=1", host); code != http.StatusOK || !strings.Contains(body, "TestProfiles") {
			t.Errorf("host %q: status %d, %q", host, code, body)
		}
	}
	if code, body := get("/debug/pprof/heap", ""); code != http.StatusOK || len(body) == 0 {
		t.Errorf("heap: status %d with %d bytes", code, len(body))
	}
	for _, host := range []string{"evil.example", "evil.example:6060", "10.0.0.1:6060"} {
		if code, _ := get("/debug/pprof/heap", host); code != http.StatusForbidden {
			t.Errorf("host %q: status %d", host, code)
		}
	}
	if _, err := (&dataDir{}).serveProfiles(d.pprof); !errors.Is(err, errRefused) {
		t.Errorf("a port in use: %v", err)
	}
	stop()
	if resp, err := client.Get("http://" + d.pprof + "/debug/pprof/"); err == nil {
		_ = resp.Body.Close()
		t.Error("profiles are served after the end")
	}
}

// TestPprofAddress checks that profiles are for this machine alone.
func TestPprofAddress(t *testing.T) {
	for _, addr := range []string{"", "127.0.0.1:0", "127.3.2.1:6060", "[::1]:6060"} {
		if err := checkPprof(addr); err != nil {
			t.Errorf("%q: %v", addr, err)
		}
	}
	for _, addr := range []string{":0", "0.0.0.0:6060", "[::]:6060", "10.0.0.1:6060", "example.com:6060", "localhost:6060", "127.0.0.1", "127.0.0.1:x"} {
		if err := checkPprof(addr); !errors.Is(err, errRefused) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
