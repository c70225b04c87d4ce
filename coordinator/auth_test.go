package coordinator

import (
	"net"
	"net/netip"
	"testing"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// TestAccess is the matrix of addresses and keys, as a client on 127.0.0.1 meets
// it.
func TestAccess(t *testing.T) {
	t.Parallel()
	key := func(k string) map[string]string { return map[string]string{"X-API-Key": k} }
	forged := func(k, from string) map[string]string {
		return map[string]string{"X-API-Key": k, "X-Forwarded-For": from}
	}
	wrong := "ffffffffffffffffffffffffffffffff"
	loopback, elsewhere := prefixes("127.0.0.1/32"), prefixes("192.0.2.0/24")
	for _, c := range []struct {
		name           string
		allow, proxies []netip.Prefix
		header         map[string]string
		status         int
	}{
		{"default: loopback", nil, nil, key(testKey), 200},
		{"no key", nil, nil, nil, 401},
		{"empty key", nil, nil, key(""), 401},
		{"wrong key", nil, nil, key(wrong), 401},
		{"beginning of the key", nil, nil, key(testKey[:31]), 401},
		{"key and more", nil, nil, key(testKey + "0"), 401},
		{"address not allowed", elsewhere, nil, key(testKey), 403},
		{"address before key", elsewhere, nil, key(wrong), 403},
		{"forged header without a proxy", elsewhere, nil, forged(testKey, "192.0.2.7"), 403},
		{"forged header does not harm either", loopback, nil, forged(testKey, "203.0.113.1"), 200},
		{"client behind a proxy", elsewhere, loopback, forged(testKey, "192.0.2.7"), 200},
		{"client behind a proxy, wrong key", elsewhere, loopback, forged(wrong, "192.0.2.7"), 401},
		{"other client behind a proxy", elsewhere, loopback, forged(testKey, "203.0.113.1"), 403},
		{"client forges an entry, proxy appends", elsewhere, loopback, forged(testKey, "192.0.2.7, 203.0.113.1"), 403},
		{"two proxies", elsewhere, prefixes("127.0.0.0/8", "10.0.0.0/8"), forged(testKey, "192.0.2.7, 10.1.2.3"), 200},
		{"mapped address behind a proxy", elsewhere, loopback, forged(testKey, "::ffff:192.0.2.7"), 200},
		{"unreadable entry", elsewhere, loopback, forged(testKey, "192.0.2.7, unknown"), 403},
		{"proxy without the header", elsewhere, loopback, key(testKey), 403},
		{"allowed as mapped prefix", prefixes("::ffff:127.0.0.0/104"), nil, key(testKey), 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := newClusterWith(t, func(cfg *Config) { cfg.AllowedIPs, cfg.TrustedProxies = c.allow, c.proxies })
			a := cl.do(call{method: "GET", path: "/api/v1/parties", header: c.header, noKey: true})
			if a.status != c.status {
				t.Errorf("status %d, want %d: %s", a.status, c.status, a.body)
			}
			switch c.status {
			case 401:
				problem(t, a, 401, "unauthorized")
				if a.header.Get("WWW-Authenticate") == "" {
					t.Error("no WWW-Authenticate")
				}
			case 403:
				problem(t, a, 403, "address_not_allowed")
			}
			if h := cl.do(call{method: "GET", path: "/health", noKey: true}); h.status != 200 {
				t.Errorf("/health: %d", h.status)
			}
			if r := cl.do(call{method: "GET", path: "/ready", noKey: true}); r.status != 503 {
				t.Errorf("/ready: %d", r.status)
			}
		})
	}
}

// TestMappedClientAddress connects over IPv4 to an IPv6 socket, where the client
// is ::ffff:127.0.0.1.
func TestMappedClientAddress(t *testing.T) {
	t.Parallel()
	cl := newClusterWith(t, func(cfg *Config) { cfg.Listen = []string{"[::]:0"} })
	_, port, err := net.SplitHostPort(cl.c.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	cl.base = "http://127.0.0.1:" + port
	if a := cl.get("/api/v1/parties"); a.status != 200 {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}

func TestUnknownRoutesNeedAKeyToo(t *testing.T) {
	t.Parallel()
	cl := newCluster(t)
	problem(t, cl.do(call{method: "GET", path: "/nothing", noKey: true}), 401, "unauthorized")
}
