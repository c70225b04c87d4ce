package main

import (
	"crypto/ed25519"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator"
	"github.com/meshmpc/mpcd/p2p"
)

// registryFolder holds a coordinator's registry inside its data folder.
const registryFolder = "registry"

// minSecret is how long API and token keys must be.
const minSecret = 32

// coordinatorConfig is what a coordinator is told.
type coordinatorConfig struct {
	daemonConfig
	HTTP       []string // host:port
	APIKey     string
	AllowedIPs []netip.Prefix
	Proxies    []netip.Prefix
	Approver   string // file; empty: the data folder's
}

func coordinatorCommand() *cli.Command {
	flags := []cli.Flag{
		list(setListen, "MPC_LISTEN", []string{":4000"}, "`HOST:PORT` of the HTTP API"),
		list(setP2PListen, "MPC_P2P_LISTEN", defaultP2PListen, "`MULTIADDR` for other nodes to dial"),
		apiKey.flag(),
		list(setAllowedIPs, "ALLOWED_IPS", nil, "`ADDRESS` or CIDR that may call the API (default: loopback only)"),
		list(setProxies, "MPC_TRUSTED_PROXIES", nil, "`ADDRESS` or CIDR of a proxy whose X-Forwarded-For is believed"),
		text(setApproverKey, "MPC_APPROVER_KEY_FILE", "", "`FILE` with the network's approver key (default: DATA_DIR/approver.key)"),
		jwtKey.flag(),
	}
	return daemonCommand("coordinator", "run the coordinator: sessions and the HTTP API", flags, func(c *cli.Context) error {
		cfg, err := newCoordinatorConfig(c)
		if err != nil {
			return err
		}
		return runCoordinator(c, cfg)
	})
}

func newCoordinatorConfig(c *cli.Context) (coordinatorConfig, error) {
	cfg := coordinatorConfig{HTTP: c.StringSlice(setListen), Approver: c.String(setApproverKey)}
	var err error
	if cfg.daemonConfig, err = commonConfig(c, setP2PListen); err != nil {
		return cfg, err
	}
	if cfg.APIKey, err = apiKey.need(c, cfg.Env); err != nil {
		return cfg, err
	}
	if len(cfg.APIKey) < minSecret {
		return cfg, refusef("%s has %d characters and needs at least %d; make one with: openssl rand -hex 32", apiKey.variable, len(cfg.APIKey), minSecret)
	}
	token, err := jwtKey.read(c, cfg.Env)
	if err != nil {
		return cfg, err
	}
	if token != "" && len(token) < minSecret {
		return cfg, refusef("%s has %d characters and needs at least %d; make one with: openssl rand -hex 32", jwtKey.variable, len(token), minSecret)
	}
	if cfg.AllowedIPs, err = prefixes(c, setAllowedIPs); err != nil {
		return cfg, err
	}
	if cfg.Proxies, err = prefixes(c, setProxies); err != nil {
		return cfg, err
	}
	return cfg, errors.Join(checkHTTP(cfg.HTTP), cfg.needBootstrap())
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

func runCoordinator(c *cli.Context, cfg coordinatorConfig) (err error) {
	cfg.Log.apply()
	forbidCoreDumps()
	dir, err := openDataDir(cfg.daemonConfig, p2p.RoleCoordinator)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	approver, err := dir.approver(cfg)
	if err != nil {
		return err
	}
	host, err := p2p.New(dir.p2pConfig(cfg.daemonConfig, p2p.RoleParty))
	if err != nil {
		return refuse(err)
	}
	part, err := coordinator.New(coordinator.Config{
		Dir: dir.file(registryFolder), Mesh: host, Network: dir.network.Name, Listen: cfg.HTTP,
		Edge:     coordinator.Edge{APIKey: cfg.APIKey, AllowedIPs: cfg.AllowedIPs, TrustedProxies: cfg.Proxies},
		Approver: approver, DrainTimeout: cfg.Drain, Version: version,
	})
	if err != nil {
		return errors.Join(refuse(err), host.Close())
	}
	withdraw, err := dir.announce(host.Addrs(), part.Addrs())
	if err != nil {
		return errors.Join(err, host.Close())
	}
	defer withdraw()
	return serve(c.Context, part, host)
}

// approver reads the network's approver key.
func (d *dataDir) approver(cfg coordinatorConfig) (ed25519.PrivateKey, error) {
	file := cfg.Approver
	if file == "" {
		file = d.file(fileApprover)
	}
	if !exists(file) {
		return nil, refusef("no approver key: copy approver.key from the network's folder to %s, or name it with --%s", file, setApproverKey)
	}
	if err := cfg.Env.checkSecretFile(file); err != nil {
		return nil, err
	}
	key, err := readKey(file)
	if err != nil {
		return nil, err
	}
	return key, d.network.checkApprover(file, key)
}

// checkHTTP refuses listen addresses that net.Listen would misunderstand.
func checkHTTP(addrs []string) error {
	if len(addrs) == 0 {
		return refusef("--%s is empty: name at least one address", setListen)
	}
	for _, addr := range addrs {
		_, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return refusef("--%s %q: write HOST:PORT or :PORT", setListen, addr)
		}
	}
	return nil
}
