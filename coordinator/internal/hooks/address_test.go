package hooks

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestPolicy(t *testing.T) {
	for text, want := range map[string]struct{ secure, private, plain bool }{
		"127.0.0.1":            {true, true, true},
		"127.9.9.9":            {true, true, true},
		"::1":                  {true, true, true},
		"::ffff:127.0.0.1":     {true, true, true},
		"1.1.1.1":              {true, true, false},
		"2606:4700::1":         {true, true, false},
		"10.1.2.3":             {false, true, false},
		"172.31.255.255":       {false, true, false},
		"172.32.0.1":           {true, true, false},
		"192.168.0.1":          {false, true, false},
		"::ffff:192.168.0.1":   {false, true, false},
		"100.64.0.1":           {false, true, false},
		"fd00::1":              {false, true, false},
		"169.254.169.254":      {false, false, false},
		"fe80::1":              {false, false, false},
		"fe80::1%eth0":         {false, false, false},
		"0.0.0.0":              {false, false, false},
		"::":                   {false, false, false},
		"224.0.0.1":            {false, false, false},
		"255.255.255.255":      {false, false, false},
		"ff02::1":              {false, false, false},
		"64:ff9b::a00:1":       {false, false, false}, // 10.0.0.1 behind NAT64
		"2002:a00:1::1":        {false, false, false}, // and behind 6to4
		"2001:0:a00:1::1":      {false, false, false}, // Teredo
		"198.18.0.1":           {false, false, false},
		"::ffff:169.254.169.1": {false, false, false},
	} {
		a := netip.MustParseAddr(text)
		for name, c := range map[string]struct {
			policy policy
			want   bool
		}{
			"https": {policy{}, want.secure && !a.Unmap().IsLoopback()}, "https, loopback": {policy{loopback: true}, want.secure},
			"https, private": {policy{private: true, loopback: true}, want.private},
			"http":           {policy{plain: true, private: true}, false}, "http, loopback": {policy{plain: true, loopback: true}, want.plain},
		} {
			err := c.policy.check(a)
			if (err == nil) != c.want || err != nil && !errors.Is(err, errAddress) {
				t.Errorf("%s, %s: %v", text, name, err)
			}
		}
	}
}

// TestAddressIsCheckedWhenDialled calls names, which are looked up only then.
func TestAddressIsCheckedWhenDialled(t *testing.T) {
	to := newReceiver(t, false, nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(to.URL, "http://"), ":")
	r := newRig(t, func(*Config) {})
	id := r.create("http://localhost:" + port)
	r.write(created("1"), completed("1"))
	r.settled(id, Delivered, 1)
	if err := (policy{}).control("tcp", "10.0.0.1:443", nil); !errors.Is(err, errAddress) {
		t.Errorf("%v", err)
	}
	c := newClient(&r.cfg)
	defer c.CloseIdleConnections()
	if res, err := c.Get("https://0.0.0.0:" + port); !errors.Is(err, errAddress) {
		t.Errorf("%v, %v", res, err)
	}
	if res, err := c.Get("http://10.255.255.1"); !errors.Is(err, errAddress) {
		t.Errorf("%v, %v", res, err)
	}
}

// TestLoopbackIsRefused has the default: nobody learns what listens on the
// coordinator's own machine.
func TestLoopbackIsRefused(t *testing.T) {
	to := newReceiver(t, false, nil)
	_, port, _ := strings.Cut(strings.TrimPrefix(to.URL, "http://"), ":")
	r := newRig(t, func(c *Config) { c.Loopback = false })
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "127.9.9.9"} {
		for _, scheme := range []string{"http", "https"} {
			url := scheme + "://" + host + ":" + port
			err := r.cfg.checkURL(url)
			if !errors.Is(err, errAddress) || !strings.Contains(err.Error(), "--webhook-loopback") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
	c := newClient(&r.cfg)
	defer c.CloseIdleConnections()
	for _, url := range []string{to.URL, "http://localhost:" + port, "https://localhost:" + port} { // as those that are in the log
		if res, err := c.Get(url); !errors.Is(err, errAddress) {
			t.Errorf("%s: %v, %v", url, res, err)
		}
	}
}

// FuzzCheckURL looks that a URL that is accepted leads where its scheme may.
func FuzzCheckURL(f *testing.F) {
	for _, text := range []string{
		"https://example.com/x?y", "http://localhost:8080", "http://[::1]/", "https://10.0.0.1", "https://[::ffff:10.0.0.1]", "http://127.0.0.1.nip.io", "https://u:p@x", "//x", "https://0x7f000001", "https://%31",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		open := Config{Loopback: true}
		if open.checkURL(text) != nil {
			if (&Config{}).checkURL(text) == nil {
				t.Errorf("%q is accepted only where less is allowed", text)
			}
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.User != nil {
			t.Fatalf("%q is accepted: %v", text, err)
		}
		a, err := netip.ParseAddr(u.Hostname())
		plain := u.Scheme == "http"
		if err != nil {
			if plain && !strings.EqualFold(u.Hostname(), "localhost") {
				t.Errorf("%q is accepted", text)
			}
			return
		}
		if open.policy(u.Scheme).check(a) != nil || a.Unmap().IsLoopback() && (&Config{}).checkURL(text) == nil {
			t.Errorf("%q is accepted", text)
		}
	})
}
