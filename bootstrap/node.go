package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/p2p"
)

// Config is that of the node's host; Seek and Relay are set here.
type Config struct {
	p2p.Config
}

// Validate checks everything that can be checked without a socket: the host's
// configuration, and that the credential is one of a bootstrap node.
func (c *Config) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	self, err := p2p.VerifyCredential(c.Authority, c.Network, c.Credential, time.Now())
	if err != nil {
		return err
	}
	if self.Role != p2p.RoleBootstrap {
		return fmt.Errorf("%w: the credential is for the role %s: have this node admitted with the role %s", p2p.ErrConfig, self.Role, p2p.RoleBootstrap)
	}
	return nil
}

// Node is a bootstrap node.
type Node struct {
	host *p2p.Host
}

// New listens. Errors are those of [Config.Validate] and p2p.ErrListen.
func New(cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	// Bootstrap nodes stay together, so that those who know different ones meet.
	cfg.Seek = []p2p.Role{p2p.RoleBootstrap}
	cfg.Relay = true
	host, err := p2p.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	return &Node{host: host}, nil
}

// Run serves until ctx ends, and closes the node. Ending so is no error.
func (n *Node) Run(ctx context.Context) error { return n.host.Run(ctx) }

// Close frees the node's addresses. It may be called more than once.
func (n *Node) Close() error { return n.host.Close() }

// ID is the node's peer id.
func (n *Node) ID() p2p.PeerID { return n.host.ID() }

// Addrs are the addresses to tell others: fit for p2p.Config.Bootstrap.
func (n *Node) Addrs() []string { return n.host.Addrs() }

// Members are the members that are connected now, guests among them.
func (n *Node) Members() []p2p.Member { return n.host.Members() }

// Stats are the host's counters.
func (n *Node) Stats() p2p.Stats { return n.host.Stats() }
