package p2p_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// A node that restarts with the same identity at the same address is heard, on
// streams and on a fresh topic, within a second (times five), each time: pubsub
// alone gives a peer up after four resets. One restart in which the machine
// stalled is allowed; under virtual time, below, none is.
func TestRestartIsHeard(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			net := p2ptest.New(t, p2ptest.Config{Transport: transport})
			nodes := net.Pool(3)
			net.Mesh(nodes...)
			again := nodes[2]
			boot := again.BootID()
			slow := 0
			for i := range 6 {
				again.Restart(true)
				begin, before := time.Now(), starved(nodes)
				if again.BootID() <= boot {
					t.Fatalf("boot id %d after %d", again.BootID(), boot)
				}
				boot = again.BootID()
				if err := committee(t, fmt.Sprintf("s/%d", i), nodes); err != nil {
					t.Fatalf("restart %d: %v", i, err)
				}
				took := time.Since(begin)
				if took > 5*time.Second && starved(nodes) == before {
					slow++
				}
				t.Logf("restart %d: all heard all on a fresh topic after %v", i, took)
			}
			if slow > 1 {
				t.Errorf("after %d of 6 restarts it took more than 5 s", slow)
			}
		})
	}
}

// The same when the process was killed: its old connections still look alive.
func TestKilledAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(3)
		net.Mesh(nodes...)
		for i := range 6 {
			nodes[2].Kill()
			nodes[2].Restart(true)
			begin := time.Now()
			if err := committee(t, fmt.Sprintf("s/%d", i), nodes); err != nil {
				t.Fatalf("restart %d: %v", i, err)
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("restart %d: heard after %v, want 1 s", i, took)
			} else {
				t.Logf("restart %d: heard after %v", i, took)
			}
		}
	})
}

// A peer that was killed is noticed within seconds, not after the 30 s that QUIC
// takes, and it is dialled again when it is back, though it dials nobody.
func TestKillIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		a, b := net.Add(p2p.RoleCoordinator), net.Add(p2p.RoleParty)
		a.Start()
		net.Mesh(a, b)
		release := a.Keep(b.ID(), b.ID())
		defer release()
		time.Sleep(time.Minute)
		if got := a.Stats(); got.PingsMissed != 0 || got.Redials != 0 {
			t.Fatalf("a healthy peer missed %d pings", got.PingsMissed)
		}
		b.Kill()
		begin := time.Now()
		p2ptest.Eventually(t, 10*time.Second, "the loss is noticed", func() bool { _, met := a.Member(b.ID()); return !met })
		noticed := time.Since(begin)
		if noticed > 4*time.Second {
			t.Errorf("noticed after %v", noticed)
		}
		time.Sleep(2 * time.Minute)
		b.Restart(false)
		begin = time.Now()
		p2ptest.Eventually(t, 10*time.Second, "the peer is back", func() bool { _, met := a.Member(b.ID()); return met })
		t.Logf("noticed after %v, back after %v", noticed, time.Since(begin))
		if _, err := a.Ping(within(t, time.Second), b.ID()); err != nil {
			t.Error(err)
		}
		release()
		release()
		b.Kill()
		time.Sleep(10 * time.Second)
		if got := a.Stats().Redials; got != 1 {
			t.Errorf("dialled again %d times, want 1: a released peer is left alone", got)
		}
	})
}

// A partition heals by itself, and the pool topic works afterwards, on which
// nobody subscribes anew.
func TestPartitionHeals(t *testing.T) {
	for _, length := range []time.Duration{5 * time.Second, 50 * time.Second} {
		t.Run(length.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
				nodes := net.Pool(3)
				net.Mesh(nodes...)
				topics := make([]*p2p.Topic, len(nodes))
				for i, n := range nodes {
					topics[i] = join(t, n, "pool", nil)
				}
				time.Sleep(5 * time.Second)
				net.Sim.Isolate(nodes[2].Index, true)
				time.Sleep(length)
				if _, met := nodes[0].Member(nodes[2].ID()); met {
					t.Error("the loss was not noticed")
				}
				net.Sim.Isolate(nodes[2].Index, false)
				begin := time.Now()
				p2ptest.Eventually(t, 10*time.Second, "connected again", func() bool {
					_, one := nodes[0].Member(nodes[2].ID())
					_, two := nodes[1].Member(nodes[2].ID())
					return one && two
				})
				t.Logf("connected again after %v", time.Since(begin))
				time.Sleep(2 * time.Second)
				for i, topic := range topics {
					if err := topic.Publish(within(t, time.Second), sealed(nodes[i], fmt.Sprintf("beat---%d", i))); err != nil {
						t.Fatal(err)
					}
				}
				for i, topic := range topics {
					if got := hears(topic); len(got) != 2 {
						t.Errorf("node %d heard %v, want both others", i, got)
					}
				}
			})
		})
	}
}

// A party that comes back at another address, and seeks nobody, is found through
// the DHT by those that stay connected to its role.
func TestMovedPeerIsFound(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			net := p2ptest.New(t, p2ptest.Config{Transport: transport})
			net.Add(p2p.RoleBootstrap).Start()
			watcher := net.Add(p2p.RoleCoordinator, func(c *p2p.Config) { c.Seek = []p2p.Role{p2p.RoleParty} })
			watcher.Start()
			party := net.Add(p2p.RoleParty)
			port := party.Config.Listen
			party.Start()
			met := func() bool {
				for _, p := range watcher.Peers() {
					if p.Peer == party.ID() && p.Boot == party.BootID() {
						return true
					}
				}
				return false
			}
			p2ptest.Eventually(t, time.Minute, "the party is found", met)
			party.Config.Listen = []string{map[p2ptest.Transport]string{
				p2ptest.TCP: "/ip4/127.0.0.1/tcp/0", p2ptest.QUIC: "/ip4/127.0.0.1/udp/0/quic-v1",
			}[transport]}
			begin := time.Now()
			party.Restart(true)
			p2ptest.Eventually(t, time.Minute, "the party is found again", met)
			t.Logf("moved from %v to %v, found after %v", port, party.Config.Listen, time.Since(begin))
		})
	}
}

func TestPing(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	a, b := net.Add(p2p.RoleParty), net.Add(p2p.RoleParty)
	net.Mesh(a, b)
	if took, err := a.Ping(within(t, 20*time.Second), b.ID()); err != nil || took <= 0 {
		t.Errorf("ping: %v, %v", took, err)
	}
	if took, err := a.Ping(within(t, time.Second), a.ID()); err != nil || took != 0 {
		t.Errorf("ping to itself: %v, %v", took, err)
	}
	peers := a.Peers()
	if len(peers) != 1 || peers[0].Peer != b.ID() || peers[0].Boot != b.BootID() || peers[0].Software != "test" || len(peers[0].Addrs) == 0 {
		t.Errorf("peers: %+v", peers)
	}
}

// New dials nobody: until Run only those who dial this node are met.
func TestNewDialsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		boot := net.Add(p2p.RoleBootstrap)
		boot.Start()
		idle := net.Add(p2p.RoleParty, func(c *p2p.Config) { c.Seek = []p2p.Role{p2p.RoleParty} })
		time.Sleep(5 * time.Minute)
		if got := idle.Members(); len(got) != 0 {
			t.Errorf("met %v before Run", got)
		}
		idle.Start()
		p2ptest.Eventually(t, 5*time.Second, "the bootstrap node is met", func() bool { return len(idle.Members()) == 1 })
	})
}
