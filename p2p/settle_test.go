package p2p_test

import (
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
