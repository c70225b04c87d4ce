package hooks

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// errAddress reports an address that webhooks may not call.
var errAddress = errors.New("address not allowed")

// private are networks that an operator may allow.
var private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")

// special are the other networks of RFC 6890's registries that no service of the
// internet has, and those that lead to IPv4 networks by way of IPv6.
var special = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fe80::/9", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// policy says which addresses may be dialled.
type policy struct {
	plain    bool // the calls are not encrypted: for loopback addresses alone
	loopback bool
	private  bool
}

// policy returns which addresses a scheme may be used with.
func (c *Config) policy(scheme string) policy {
	return policy{plain: scheme == "http", loopback: c.Loopback, private: c.Private}
}

// check returns why an address may not be dialled.
func (p policy) check(a netip.Addr) error {
	a = a.WithZone("").Unmap()
	switch {
	case a.IsLoopback():
		if p.loopback {
			return nil
		}
		return fmt.Errorf("%w: %v is the coordinator's own machine: %s", errAddress, a, allowLoopback)
	case p.plain:
		return fmt.Errorf("%w: %v is not a loopback address: use https", errAddress, a)
	case within(private, a):
		if p.private {
			return nil
		}
		return fmt.Errorf("%w: %v is private: the operator allows such addresses with --webhook-private", errAddress, a)
	case within(special, a) || !a.IsGlobalUnicast():
		return fmt.Errorf("%w: %v is of special purpose", errAddress, a)
	}
	return nil
}

// control refuses a connection before it is made, whatever name led to it.
func (p policy) control(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errAddress, address, err)
	}
	return p.check(a.Addr())
}

const allowLoopback = "the operator allows such addresses with --webhook-loopback"

// checkURL says what is wrong with a webhook's URL. A name is not looked up: that
// happens when it is called.
func (c *Config) checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("it is not a URL") // err repeats it, with a password that may be in there
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("its scheme is not https")
	case u.Hostname() == "":
		return errors.New("it names no host")
	case u.User != nil:
		return errors.New("it holds a user name or password: verify Mpc-Signature instead")
	case u.Fragment != "":
		return errors.New("it has a fragment, which is never sent")
	}
	p := c.policy(u.Scheme)
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return p.check(a)
	}
	local := strings.EqualFold(u.Hostname(), "localhost")
	switch {
	case local && !p.loopback:
		return fmt.Errorf("%w: localhost is the coordinator's own machine: %s", errAddress, allowLoopback)
	case !local && p.plain:
		return fmt.Errorf("%w: http is for loopback addresses and localhost: use https", errAddress)
	}
	return nil
}

func (p policy) dialer() *net.Dialer { return &net.Dialer{Timeout: dialTimeout, Control: p.control} }
