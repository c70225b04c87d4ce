package p2p_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2psim"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// A guest is called through the relay at once, while the DHT asks nodes that keep
// silent.
func TestRelayDoesNotWaitForTheDHT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		parties := net.Pool(6)
		net.Mesh(parties...)
		coordinator := net.Add(p2p.RoleCoordinator)
		guest := net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour))
		guest.Start()
		p2ptest.Eventually(t, 10*time.Second, "the guest has a slot", func() bool { return len(guest.Addrs()) > 1 })
		caller := parties[0]
		net.Sim.Cut(caller.Index, guest.Index, true)
		for _, p := range parties[1:] {
			net.Sim.Cut(caller.Index, p.Index, true)
		}
		begin := time.Now()
		if err := caller.Connect(within(t, 20*time.Second), guest.ID()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("connected after %v", took)
		} else {
			t.Logf("connected after %v", took)
		}
	})
}

// A relay on the other side of the world is near enough.
func TestFarRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated, Sim: p2psim.Config{Latency: 200 * time.Millisecond}})
		net.Add(p2p.RoleBootstrap).Start()
		coordinator := net.Add(p2p.RoleCoordinator)
		a := net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour))
		b := net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour))
		net.Sim.Cut(a.Index, b.Index, true)
		a.Start()
		b.Start()
		defer a.Keep(b.ID())()
		begin := time.Now()
		p2ptest.Eventually(t, time.Minute, "the guests have met", func() bool {
			_, met := a.Member(b.ID())
			return met
		})
		t.Logf("met after %v", time.Since(begin))
		converse(t, "s/1", a, b)
		boot := a.Stats().Admitted
		time.Sleep(5 * time.Minute)
		if now := a.Stats().Admitted; now != boot {
			t.Errorf("%d connections were made anew in five quiet minutes", now-boot)
		}
	})
}

// A guest that was cut off for as long as its keeper needs to notice, and the
// relay does not, is called again and heard by those whom it talked to.
func TestGuestIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		relay := net.Add(p2p.RoleBootstrap)
		relay.Start()
		coordinator := net.Add(p2p.RoleCoordinator)
		a := net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour))
		b := net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour))
		late := net.Add(p2p.RoleParty)
		net.Sim.Cut(a.Index, b.Index, true)
		net.Sim.Cut(late.Index, b.Index, true)
		for _, n := range []*p2ptest.Node{a, b, late} {
			n.Start()
		}
		defer a.Keep(b.ID())()
		converse(t, "s/1", a, b)
		net.Sim.Cut(relay.Index, b.Index, true)
		time.Sleep(2900 * time.Millisecond) // its keeper is about to give up; the relay has nobody to ask
		net.Sim.Cut(relay.Index, b.Index, false)
		begin := time.Now()
		var took time.Duration
		p2ptest.Eventually(t, 20*time.Second, "the guest is reached", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			_, err := late.Ping(ctx, b.ID())
			took = time.Since(begin)
			return err == nil
		})
		t.Logf("called after %v", took)
		converse(t, "s/2", a, b)
		t.Logf("heard after %v", time.Since(begin))
		if all := time.Since(begin); all > 8*time.Second {
			t.Errorf("heard after %v", all)
		}
	})
}

// A guest that restarts is another start of the same peer over relays, too.
func TestGuestRestarts(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			s := newSession(t, transport)
			if err := committee(t, "s/0", s.nodes); err != nil {
				t.Fatal(err)
			}
			slow := 0
			for i := range 4 {
				s.nodes[i%2].Restart(true)
				begin, before := time.Now(), starved(s.nodes)
				if err := committee(t, fmt.Sprint("s/", i+1), s.nodes); err != nil {
					t.Fatalf("restart %d: %v", i, err)
				}
				took := time.Since(begin)
				if took > 5*time.Second && starved(s.nodes) == before {
					slow++
				}
				t.Logf("restart %d: heard after %v", i, took)
			}
			if slow > 1 { // one in which the machine stalled
				t.Errorf("after %d of 4 restarts it took more than 5 s", slow)
			}
		})
	}
}

// The relay serves admitted peers only, and nobody but a relay can tell a guest
// that somebody calls.
func TestWhoMayRelay(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.TCP})
	relay, coordinator := net.Add(p2p.RoleBootstrap), net.Add(p2p.RoleCoordinator)
	pub, key := newKey(t)
	h := rawPeer(t, key, relay)
	at := peer.AddrInfo{ID: h.Network().Peers()[0]}
	if _, err := client.Reserve(within(t, 5*time.Second), h, at); err == nil {
		t.Error("a stranger has a slot")
	}
	pass, err := coordinator.IssuePass(p2p.PeerOf(pub), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if code := p2p.HelloOf(t, h, relay.ID(), pass); code != "" {
		t.Fatalf("refused with %q", code)
	}
	if _, err := client.Reserve(within(t, 20*time.Second), h, at); err != nil {
		t.Errorf("a guest has no slot: %v", err)
	}
	for role, want := range map[p2p.Role]bool{p2p.RoleBootstrap: true, p2p.RoleParty: false, p2p.RoleExternal: false} {
		t.Run(string(role), func(t *testing.T) {
			guest := net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour), func(c *p2p.Config) { c.Listen = []string{"/ip4/127.0.0.1/tcp/0"} })
			pub, key := newKey(t)
			h := rawPeer(t, key, guest)
			if code := p2p.HelloOf(t, h, guest.ID(), net.Credential(p2p.Member{Peer: p2p.PeerOf(pub), Role: role})); code != "" {
				t.Fatalf("refused with %q", code)
			}
			// An empty message, which a relay is told is malformed.
			if got := answers(t, h, h.Network().Peers()[0], proto.ProtoIDv2Stop, []byte{0}); got != want {
				t.Errorf("its call is answered: %v", got)
			}
		})
	}
}
