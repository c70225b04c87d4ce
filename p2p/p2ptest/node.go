package p2ptest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p"
)

// Node is a host of a test network. After Restart its Host is another one.
type Node struct {
	*p2p.Host
	Config p2p.Config // as the host was made; Listen is fixed once it is open
	Index  int        // in Network.Nodes, and of its simulated address

	net    *Network
	cancel context.CancelFunc // of Run; nil unless started
	ended  sync.WaitGroup
	ghosts []*p2p.Host // killed ones, which are closed in the end
}

func (n *Node) open() {
	n.net.tb.Helper()
	host, err := p2p.New(n.Config)
	// A port that a node gives up for its restart may serve somebody else's dial meanwhile.
	for until := time.Now().Add(portPatience); errors.Is(err, p2p.ErrListen) && n.net.Sim == nil && time.Now().Before(until); {
		host, err = p2p.New(n.Config)
	}
	if err != nil {
		n.net.tb.Fatalf("node %d: %v", n.Index, err)
	}
	n.Host = host
	n.Config.Listen = fixed(host)
}

// portPatience is how long a node waits for its port.
const portPatience = 10 * time.Second

// fixed are the addresses that the system has chosen, without the peer id.
func fixed(h *p2p.Host) []string {
	addrs := h.Addrs()
	suffix := "/p2p/" + h.ID()
	for i, a := range addrs {
		addrs[i] = a[:len(a)-len(suffix)]
	}
	return addrs
}

// Start runs the host until Stop or the end of the test.
func (n *Node) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	host := n.Host
	n.ended.Go(func() {
		if err := host.Run(ctx); err != nil {
			n.net.tb.Errorf("node %d: run: %v", n.Index, err)
		}
	})
}

// Stop closes the host in good order. Calling it again does nothing.
func (n *Node) Stop() {
	if n.cancel != nil {
		n.cancel()
	}
	if err := n.Host.Close(); err != nil {
		n.net.tb.Errorf("node %d: close: %v", n.Index, err)
	}
	for _, ghost := range n.ghosts {
		ghost.Close() //nolint:errcheck // its peers are gone
	}
	n.ended.Wait()
}

// Kill makes the node vanish without a word, as by kill -9: its packets get lost
// from now on. It works in a simulated network only.
func (n *Node) Kill() {
	n.net.tb.Helper()
	if n.net.Sim == nil {
		n.net.tb.Fatal("Kill needs the simulated transport")
	}
	n.net.Sim.Kill(n.Index)
	if n.cancel != nil {
		// The ghost dials in vain until the test ends; nobody hears it.
		cancel, ghost := n.cancel, n.Host
		n.net.tb.Cleanup(func() { cancel(); ghost.Close() }) //nolint:errcheck // its peers are gone
		n.cancel = nil
	}
	n.ghosts = append(n.ghosts, n.Host)
}

// Restart makes a host anew, with the same identity and address and a larger
// boot id. A host that was not killed is stopped first. It is started if start
// is true.
func (n *Node) Restart(start bool) {
	n.net.tb.Helper()
	if len(n.ghosts) == 0 || n.ghosts[len(n.ghosts)-1] != n.Host {
		n.Stop()
	}
	if n.net.Sim != nil {
		n.Config.Simulated = n.net.Sim.Endpoint()
	}
	n.open()
	if start {
		n.Start()
	}
}

// Reach connects to another node whose address it is told here.
func (n *Node) Reach(ctx context.Context, other *Node) error {
	return n.ConnectAt(ctx, other.Addrs()...)
}

// Eventually waits until the condition holds and fails the test if it does not
// within the time given.
func Eventually(tb testing.TB, within time.Duration, what string, holds func() bool) {
	tb.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("not within %s: %s", within, what)
		}
	}
}
