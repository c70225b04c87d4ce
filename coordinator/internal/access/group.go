package access

import "net/netip"

// groupOf returns what a client is counted as: an IPv4 address or loopback
// itself, an IPv6 address by its network, for it can take any address in there.
func groupOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() && !a.IsLoopback() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // an address that could not be read
	}
	return p
}

func clientText(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return Others
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}
