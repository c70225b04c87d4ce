package p2ptest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2psim"
)

// Transport is what packets travel over.
type Transport string

// The transports. QUIC and TCP use real sockets on loopback with ports chosen by
// the system.
const (
	QUIC      Transport = "quic"
	TCP       Transport = "tcp"
	Simulated Transport = "simulated"
)

// Config describes a test network; its zero value is QUIC on loopback.
type Config struct {
	Transport Transport
	Sim       p2psim.Config // for Simulated; zero: 5 ms one way, no loss
	Name      string        // of the network; "test" if empty
}

// Network is a membership authority with its nodes.
type Network struct {
	Name      string
	Authority ed25519.PublicKey
	Sim       *p2psim.Network // nil unless Simulated
	Nodes     []*Node         // in the order of Add

	tb   testing.TB
	cfg  Config
	key  ed25519.PrivateKey
	raws int // modified clients in the simulated network
}

// New makes a network without nodes.
func New(tb testing.TB, cfg Config) *Network {
	tb.Helper()
	if cfg.Name == "" {
		cfg.Name = "test"
	}
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	n := &Network{Name: cfg.Name, Authority: pub, tb: tb, cfg: cfg, key: key}
	if cfg.Transport == Simulated {
		if cfg.Sim == (p2psim.Config{}) {
			cfg.Sim.Latency = 5 * time.Millisecond
		}
		if cfg.Sim.Loss > 0 {
			tb.Logf("losses of the simulated network: seed %d", cfg.Sim.Seed)
		}
		n.Sim = p2psim.New(cfg.Sim)
		tb.Cleanup(n.Sim.Close)
	}
	return n
}

// Credential issues a credential of this network; zero times have the defaults.
func (n *Network) Credential(m p2p.Member) string {
	n.tb.Helper()
	token, err := p2p.IssueCredential(n.key, n.Name, m)
	if err != nil {
		n.tb.Fatal(err)
	}
	return token
}

// Prepare makes the configuration of another node without starting it: a fresh
// identity, a credential for the role, a listen address of the network's
// transport, and the bootstrap nodes made so far. Bootstrap nodes are relays, as
// those of package bootstrap. Changes come last.
func (n *Network) Prepare(role p2p.Role, changes ...func(*p2p.Config)) p2p.Config {
	n.tb.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		n.tb.Fatal(err)
	}
	name := fmt.Sprintf("%s-%d", role, len(n.Nodes))
	cfg := p2p.Config{
		Identity: key, Network: n.Name, Authority: n.Authority, Software: "test",
		Credential: n.Credential(p2p.Member{Peer: p2p.PeerOf(pub), Role: role, Name: name}),
		Listen:     []string{n.listen()}, Bootstrap: n.bootstraps(), Relay: role == p2p.RoleBootstrap,
	}
	if n.Sim != nil {
		cfg.Simulated = n.Sim.Endpoint()
	}
	for _, change := range changes {
		change(&cfg)
	}
	return cfg
}

func (n *Network) listen() string {
	switch n.cfg.Transport {
	case TCP:
		return "/ip4/127.0.0.1/tcp/0"
	case Simulated:
		return p2psim.Addr(len(n.Nodes))
	default:
		return "/ip4/127.0.0.1/udp/0/quic-v1"
	}
}

func (n *Network) bootstraps() (addrs []string) {
	for _, node := range n.Nodes {
		if node.Self().Role == p2p.RoleBootstrap {
			addrs = append(addrs, node.Addrs()...)
		}
	}
	return addrs
}

// Add makes a node of a role; it listens but does not run.
func (n *Network) Add(role p2p.Role, changes ...func(*p2p.Config)) *Node {
	n.tb.Helper()
	node := &Node{Config: n.Prepare(role, changes...), Index: len(n.Nodes), net: n}
	node.open()
	n.Nodes = append(n.Nodes, node)
	n.tb.Cleanup(node.Stop)
	return node
}

// Pool adds a running bootstrap node, unless there is one, and parties that run
// and seek each other. It returns the parties.
func (n *Network) Pool(parties int, changes ...func(*p2p.Config)) []*Node {
	n.tb.Helper()
	if len(n.bootstraps()) == 0 {
		n.Add(p2p.RoleBootstrap).Start()
	}
	seek := func(c *p2p.Config) { c.Seek = []p2p.Role{p2p.RoleParty} }
	nodes := make([]*Node, parties)
	for i := range nodes {
		nodes[i] = n.Add(p2p.RoleParty, append([]func(*p2p.Config){seek}, changes...)...)
		nodes[i].Start()
	}
	return nodes
}

// Mesh connects all nodes to all; it knows their addresses from the nodes
// themselves. Over real sockets it tries again: on a machine that stalls, a
// handshake or a hello runs out of time.
func (n *Network) Mesh(nodes ...*Node) {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i, a := range nodes {
		for _, b := range nodes[i+1:] {
			err := a.Reach(ctx, b)
			for err != nil && n.Sim == nil && ctx.Err() == nil {
				err = a.Reach(ctx, b)
			}
			if err != nil {
				n.tb.Fatalf("node %d does not reach node %d: %v", a.Index, b.Index, err)
			}
		}
	}
}

// IDs are the peer ids of nodes.
func IDs(nodes ...*Node) []p2p.PeerID {
	ids := make([]p2p.PeerID, len(nodes))
	for i, node := range nodes {
		ids[i] = node.ID()
	}
	return ids
}

// Invite makes a change for Add(p2p.RoleExternal) that turns the node into a
// guest of a coordinator's, who vouches for it as long as given. On loopback
// nobody can dial it, as if it stood behind address translation: it does not
// listen.
func (n *Network) Invite(coordinator *Node, life time.Duration) func(*p2p.Config) {
	return func(c *p2p.Config) {
		n.tb.Helper()
		pass, err := coordinator.IssuePass(p2p.PeerOf(c.Identity.Public().(ed25519.PublicKey)), time.Now().Add(life))
		if err != nil {
			n.tb.Fatal(err)
		}
		c.Credential = pass
		if n.Sim == nil {
			c.Listen = nil
		}
	}
}

// Labels makes a change for Prepare that issues the credential anew with labels.
func (n *Network) Labels(labels map[string]string) func(*p2p.Config) {
	return func(c *p2p.Config) {
		m, err := p2p.VerifyCredential(n.Authority, n.Name, c.Credential, time.Now())
		if err != nil {
			n.tb.Fatal(err)
		}
		m.Labels = maps.Clone(labels)
		c.Credential = n.Credential(m)
	}
}
