package p2p_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// Of two connections to a peer the one with pubsub's stream ends: pubsub forgets
// the peer's subscriptions although the peer did not end them. The next message
// on a topic that was joined long ago must arrive all the same.
func TestHalfLostPeerIsHeardAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		a, b := net.Add(p2p.RoleParty), net.Add(p2p.RoleParty)
		a.Start()
		b.Start()
		// Both dial at once: two connections.
		done := make(chan error, 1)
		go func() { done <- a.Reach(within(t, 5*time.Second), b) }()
		if err := b.Reach(within(t, 5*time.Second), a); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		ids := p2ptest.IDs(a, b)
		ta, tb := join(t, a, "s/1", ids), join(t, b, "s/1", ids)
		ctx := within(t, time.Minute)
		if err := ta.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		if err := tb.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		n := p2p.CloseOneConn(t, a.Host, b.ID())
		t.Logf("closed one of %d connections", n)
		time.Sleep(5 * time.Second)
		if err := ta.Publish(ctx, sealed(a, "from a..")); err != nil {
			t.Fatal(err)
		}
		if err := tb.Publish(ctx, sealed(b, "from b..")); err != nil {
			t.Fatal(err)
		}
		if got := hears(tb); len(got) != 1 {
			t.Errorf("b heard %v", got)
		}
		if got := hears(ta); len(got) != 1 {
			t.Errorf("a heard %v", got)
		}
	})
}
