package bootstrap_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/bootstrap"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// start runs a bootstrap node; stop ends it and waits.
func start(t *testing.T, cfg p2p.Config) (node *bootstrap.Node, stop func()) {
	t.Helper()
	node, err := bootstrap.New(bootstrap.Config{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- node.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	return node, stop
}

// knows tells whether a node is connected to all others.
func knows(node *p2ptest.Node, others []*p2ptest.Node) bool {
	return !slices.ContainsFunc(others, func(o *p2ptest.Node) bool {
		_, met := node.Member(o.ID())
		return o != node && !met
	})
}

func party(addrs []string) func(*p2p.Config) {
	return func(c *p2p.Config) { c.Bootstrap, c.Seek = addrs, []p2p.Role{p2p.RoleParty} }
}

func TestLateJoinerFindsEveryone(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			net := p2ptest.New(t, p2ptest.Config{Transport: transport})
			node, stop := start(t, net.Prepare(p2p.RoleBootstrap))
			t.Cleanup(stop)
			nodes := make([]*p2ptest.Node, 5)
			for i := range nodes {
				nodes[i] = net.Add(p2p.RoleParty, party(node.Addrs()))
				nodes[i].Start()
			}
			p2ptest.Eventually(t, time.Minute, "everybody knows everybody", func() bool {
				return !slices.ContainsFunc(nodes, func(n *p2ptest.Node) bool { return !knows(n, nodes) })
			})
			late := net.Add(p2p.RoleParty, party(node.Addrs()))
			begin := time.Now()
			late.Start()
			p2ptest.Eventually(t, 30*time.Second, "the late joiner knows everybody", func() bool { return knows(late, nodes) })
			t.Logf("the late joiner met 5 others within %v", time.Since(begin))
			p2ptest.Eventually(t, 30*time.Second, "the bootstrap node has its 6 members", func() bool { return len(node.Members()) == 6 })
		})
	}
}

// A newcomer finds the others through a bootstrap node that has lost its memory.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		first := net.Add(p2p.RoleBootstrap)
		first.Start()
		nodes := net.Pool(3)
		p2ptest.Eventually(t, 10*time.Second, "everybody knows everybody", func() bool {
			return !slices.ContainsFunc(nodes, func(n *p2ptest.Node) bool { return !knows(n, nodes) })
		})
		first.Kill()
		time.Sleep(20 * time.Second) // virtual
		if !knows(nodes[0], nodes) {
			t.Error("the parties have lost each other with the bootstrap node")
		}
		first.Restart(true)
		begin := time.Now()
		late := net.Pool(1)[0]
		p2ptest.Eventually(t, 10*time.Second, "the newcomer knows everybody", func() bool { return knows(late, nodes) })
		t.Logf("the newcomer met everybody %v after the restart", time.Since(begin))
	})
}

// A bootstrap node relays: guests whom nobody can dial meet.
func TestGuestsMeet(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	node, stop := start(t, net.Prepare(p2p.RoleBootstrap, func(c *p2p.Config) { c.Relay = false }))
	t.Cleanup(stop)
	coordinator := net.Add(p2p.RoleCoordinator)
	guests := make([]*p2ptest.Node, 2)
	for i := range guests {
		guests[i] = net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour), func(c *p2p.Config) { c.Bootstrap = node.Addrs() })
		guests[i].Start()
	}
	defer guests[0].Keep(guests[1].ID())()
	p2ptest.Eventually(t, time.Minute, "the guests have met", func() bool { return knows(guests[0], guests) && knows(guests[1], guests) })
	if node.Stats().Circuits == 0 {
		t.Error("not through the relay")
	}
}

func TestRefusesOtherRoles(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	_, err := bootstrap.New(bootstrap.Config{Config: net.Prepare(p2p.RoleParty)})
	if !errors.Is(err, p2p.ErrConfig) {
		t.Errorf("a party's credential: %v", err)
	}
	_, err = bootstrap.New(bootstrap.Config{Config: net.Prepare(p2p.RoleBootstrap, func(c *p2p.Config) { c.Credential = "" })})
	if !errors.Is(err, p2p.ErrCredentialMissing) {
		t.Errorf("no credential: %v", err)
	}
}
