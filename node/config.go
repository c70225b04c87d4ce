package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
)

// Defaults of Config.
const (
	DefaultPoolTarget   = 4
	DefaultDrainTimeout = 30 * time.Second
	DefaultMaxSessions  = 64
	MaxPoolTarget       = 1000
)

// Config describes a party.
type Config struct {
	Host    *p2p.Host       // the party's place in the network; the caller runs it
	Store   *keystore.Store // the party's shares; the caller closes it after Run
	Network string          // name of the network, as the credentials have it

	PoolTarget   int               // sets of pre-parameters to keep; 0: DefaultPoolTarget, negative: none
	DrainTimeout time.Duration     // how long a stop waits for running sessions; 0: DefaultDrainTimeout
	MaxSessions  int               // sessions at a time; 0: DefaultMaxSessions
	Software     string            // version, for heartbeats
	Labels       map[string]string // for heartbeats
}

// Validate checks the configuration and fills the defaults.
func (c *Config) Validate() error {
	if c.Host == nil || c.Store == nil || c.Network == "" {
		return errors.New("node: host, store and network are required")
	}
	if c.PoolTarget == 0 {
		c.PoolTarget = DefaultPoolTarget
	}
	if c.PoolTarget > MaxPoolTarget {
		return fmt.Errorf("node: a pool of %d sets of pre-parameters is too large: at most %d", c.PoolTarget, MaxPoolTarget)
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	if c.DrainTimeout < 0 || c.MaxSessions < 0 {
		return errors.New("node: drain timeout and session limit must not be negative")
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = DefaultMaxSessions
	}
	return nil
}
