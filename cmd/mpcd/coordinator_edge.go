package main

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator"
)

// Settings of how a coordinator meets its callers.
const (
	setAllowedIPs     = "allowed-ips"
	setJoinAllowedIPs = "join-allowed-ips"
	setProxies        = "trusted-proxies"
	setRateReads      = "rate-reads"
	setRateWrites     = "rate-writes"
	setTLSCert        = "tls-cert"
	setTLSKey         = "tls-key"
	setMetricsListen  = "metrics-listen"
)

func edgeFlags() []cli.Flag {
	return []cli.Flag{
		apiKey.flag(),
		list(setAllowedIPs, "ALLOWED_IPS", nil, "`ADDRESS` or CIDR that may call the API (default: loopback only)"),
		list(setJoinAllowedIPs, "MPC_JOIN_ALLOWED_IPS", nil, "`ADDRESS` or CIDR that may join sessions by invite (default: the same)"),
		list(setProxies, "MPC_TRUSTED_PROXIES", nil, "`ADDRESS` or CIDR of a proxy whose X-Forwarded-For is believed"),
		number(setRateReads, "MPC_RATE_READS", coordinator.DefaultRateReads, "reading `CALLS` a second that each API key may make; 0: no limit"),
		number(setRateWrites, "MPC_RATE_WRITES", coordinator.DefaultRateWrites, "other `CALLS` a second that each API key may make; 0: no limit"),
		text(setTLSCert, "MPC_TLS_CERT", "", "PEM `FILE` with the certificate chain of the HTTP API (default: no TLS)"),
		text(setTLSKey, "MPC_TLS_KEY", "", "PEM `FILE` with the key of --"+setTLSCert),
		text(setMetricsListen, "MPC_METRICS_LISTEN", "", "`HOST:PORT` of GET /metrics, without authentication (default: none)"),
	}
}

// edgeConfig reads these settings.
func edgeConfig(c *cli.Context, common *daemonConfig) (coordinator.Edge, error) {
	e := coordinator.Edge{
		KeyFile:   keyFile(common.DataDir),
		RateReads: c.Int(setRateReads), RateWrites: c.Int(setRateWrites),
		TLSCert: c.String(setTLSCert), TLSKey: c.String(setTLSKey), MetricsListen: c.String(setMetricsListen),
	}
	var err error
	if e.APIKey, err = readAPIKey(c, common.Env, e.KeyFile); err != nil {
		return e, err
	}
	for name, to := range map[string]*[]netip.Prefix{
		setAllowedIPs: &e.AllowedIPs, setJoinAllowedIPs: &e.JoinAllowedIPs, setProxies: &e.TrustedProxies,
	} {
		if *to, err = prefixes(c, name); err != nil {
			return e, err
		}
	}
	switch {
	case e.RateReads < 0 || e.RateWrites < 0:
		return e, refusef("--%s and --%s: use 0 for no limit, or a number of calls a second", setRateReads, setRateWrites)
	case (e.TLSCert == "") != (e.TLSKey == ""):
		return e, refusef("TLS needs both --%s and --%s", setTLSCert, setTLSKey)
	case e.MetricsListen != "":
		err = checkAddress(setMetricsListen, e.MetricsListen)
	}
	if err == nil && e.TLSKey != "" {
		err = common.Env.checkSecretFile(e.TLSKey)
	}
	return e, err
}

// readAPIKey returns the backend's key. A coordinator that has a file of keys
// can do without it.
func readAPIKey(c *cli.Context, env environment, keyFile string) (string, error) {
	key, err := apiKey.read(c, env)
	switch {
	case err != nil:
		return "", err
	case key == "" && !exists(keyFile):
		return "", refusef("no %s: set it, or %[1]s_FILE to the name of a file that holds it, or make a key with mpcd coordinator keys create", apiKey.variable)
	case key != "" && len(key) < minSecret:
		return "", refusef("%s has %d characters and needs at least %d; make one with: openssl rand -hex 32", apiKey.variable, len(key), minSecret)
	}
	return key, nil
}

// prefixes reads a list of addresses and CIDRs.
func prefixes(c *cli.Context, name string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, s := range c.StringSlice(name) {
		s = strings.TrimSpace(s)
		if addr, err := netip.ParseAddr(s); err == nil {
			list = append(list, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, refusef("--%s %q: write an IP address or a CIDR such as 10.0.0.0/8", name, s)
		}
		list = append(list, prefix.Masked())
	}
	return list, nil
}

// checkAddress refuses a listen address that net.Listen would misunderstand.
func checkAddress(setting, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return refusef("--%s %q: write HOST:PORT or :PORT", setting, addr)
	}
	return nil
}
