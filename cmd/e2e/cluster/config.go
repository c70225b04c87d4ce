package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Transport is what nodes speak among themselves.
type Transport string

// Transports.
const (
	QUIC Transport = "quic"
	TCP  Transport = "tcp"
)

// anyPort is an address on which the system chooses a port.
func (t Transport) anyPort(host string) string {
	if t == TCP {
		return "/ip4/" + host + "/tcp/0"
	}
	return "/ip4/" + host + "/udp/0/quic-v1"
}

// Config describes a cluster.
type Config struct {
	Dir       string           // folder to make it in: must be empty or absent
	Binary    string           // mpcd; empty: $MPCD, or a build of the source tree
	Parties   int              // how many; 0: 3
	Transport Transport        // empty: QUIC
	PreParams int              // stock of pre-parameters a party keeps; 0: 4, negative: none
	Drain     time.Duration    // bound of a party's graceful stop; 0: 30 s
	Plain     bool             // parties take users' shares unsealed, as callers of older systems send them
	Nice      int              // by which the parties' priority is lowered, see nice(1); 0: not at all
	Profiles  bool             // processes serve profiles, see Cluster.Profile
	Log       string           // log level; empty: info
	OnStart   func(p *Process) // told of each process that listens; may be nil

	// For a cluster in another network namespace.
	Exec   []string     // put before each daemon's command, such as ip netns exec NAME
	Host   string       // IPv4 address that everybody listens on; empty: 127.0.0.1
	Client *http.Client // reaches the coordinator there; nil: http.DefaultClient
	Guests []string     // addresses that devices join from; empty: loopback
}

// Validate checks the configuration and fills the defaults.
func (c *Config) Validate() error {
	if c.Dir == "" {
		return errors.New("cluster: no folder named")
	}
	if c.Parties == 0 {
		c.Parties = 3
	}
	if c.Transport == "" {
		c.Transport = QUIC
	}
	if c.PreParams == 0 {
		c.PreParams = 4
	}
	if c.Drain == 0 {
		c.Drain = 30 * time.Second
	}
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	if c.Client == nil {
		c.Client = http.DefaultClient
	}
	if c.Log == "" {
		c.Log = "info"
	}
	if c.OnStart == nil {
		c.OnStart = func(*Process) {}
	}
	if c.Parties < 0 || c.Transport != QUIC && c.Transport != TCP {
		return fmt.Errorf("cluster: %d parties on %q cannot be started", c.Parties, c.Transport)
	}
	return nil
}
