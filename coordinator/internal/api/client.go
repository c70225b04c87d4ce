package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clients decides who may call, by address.
type clients struct {
	allow   []netip.Prefix // with a key
	join    []netip.Prefix // with an invite code or a join token
	proxies []netip.Prefix
}

// loopback is who may call when nobody is named.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newClients(a *Access) *clients {
	c := &clients{allow: unmapped(a.Allow), join: unmapped(a.JoinAllow), proxies: unmapped(a.Proxies)}
	if len(c.allow) == 0 {
		c.allow = loopback
	}
	if len(c.join) == 0 {
		c.join = c.allow
	}
	return c
}

// unmapped turns prefixes of IPv4-mapped IPv6 addresses into IPv4 ones, as addr
// does with addresses.
func unmapped(list []netip.Prefix) []netip.Prefix {
	out := slices.Clone(list)
	for i, p := range out {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			out[i] = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
	}
	return out
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// addr returns the client's address: the connection's, or, when that is a
// trusted proxy, the last one in X-Forwarded-For that no trusted proxy added
// itself. What a client writes into that header is to the left of it. An address
// that cannot be read is nobody's.
func (c *clients) addr(r *http.Request) (netip.Addr, bool) {
	direct, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	client := plain(direct.Addr())
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(c.proxies, client); i-- {
		hop := strings.TrimSpace(hops[i])
		if hop == "" {
			continue
		}
		a, err := netip.ParseAddr(hop)
		if err != nil {
			return netip.Addr{}, false
		}
		client = plain(a)
	}
	return client, true
}

// plain removes what makes one address look like another: a zone, and the IPv6
// form of an IPv4 address.
func plain(a netip.Addr) netip.Addr { return a.WithZone("").Unmap() }
