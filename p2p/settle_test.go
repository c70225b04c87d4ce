package p2p_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// When both ends of a restarted peer dial at once there are two hellos. The one that comes
// second must not wait for pubsub to let go of a stream that belongs to the first one's
// connection, and still has to wait for one of an earlier start.
func TestSecondHelloDoesNotWaitForTheStreamOfTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		a, b := net.Add(p2p.RoleParty), net.Add(p2p.RoleParty)
		a.Start()
		b.Start()
		if err := a.Reach(within(t, 5*time.Second), b); err != nil {
			t.Fatal(err)
		}
		topic := join(t, a, "s/1", p2ptest.IDs(a, b))
		join(t, b, "s/1", p2ptest.IDs(a, b))
		if err := topic.Ready(within(t, time.Minute)); err != nil { // pubsub has its streams
			t.Fatal(err)
		}
		for boot, want := range map[uint64]time.Duration{b.BootID() - 1: 0, b.BootID(): 0, b.BootID() + 1: time.Second} {
			began := time.Now()
			p2p.AwaitNoStream(t, a.Host, b.ID(), boot, time.Second)
			if took := time.Since(began); took != want {
				t.Errorf("start %+d: waited %v, want %v", int64(boot-b.BootID()), took, want)
			}
		}
	})
}

// When pubsub's stream to a peer ends, pubsub forgets what the peer has subscribed to, also
// what came over another connection. That one must not stay because its hello is on the way.
func TestSubscriptionsThatCameBeforeTheHelloAreToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
			a, b := net.Add(p2p.RoleParty), net.Add(p2p.RoleParty)
			ids, ctx := p2ptest.IDs(a, b), within(t, time.Minute)
			dialled := make(chan error, 1)
			go func() { dialled <- a.Reach(ctx, b) }() // both at once: two connections
			if err := errors.Join(b.Reach(ctx, a), <-dialled); err != nil {
				t.Fatal(err)
			}
			ta, tb := join(t, a, "s/1", ids), join(t, b, "s/1", ids)
			if err := errors.Join(ta.Ready(ctx), tb.Ready(ctx)); err != nil {
				t.Fatal(err)
			}
			if !p2p.Unsay(t, a.Host, b.ID()) {
				continue
			}
			time.Sleep(5 * time.Second)
			if err := ta.Publish(ctx, sealed(a, "from a..")); err != nil {
				t.Fatal(err)
			}
			if got := hears(tb); len(got) != 1 {
				t.Errorf("heard %v", got)
			}
			return
		}
		t.Error("pubsub's streams were on one connection each time")
	})
}
