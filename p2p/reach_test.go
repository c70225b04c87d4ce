package p2p_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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
