package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// A session that only waits for a member that never comes does not count as live.
func TestASessionThatOnlyWaitsHoldsUpNoPresigning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{tb: t, net: p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated}), tap: &wiretap{}}
		c.populate(3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		n := c.parties[0].node
		if a := c.coord.answer(c.parties[0].ID(), c.coord.sign(key, digest(1), c.peers(0, 1))); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		if !n.quiet.busy() {
			t.Error("a session that has just begun is not live")
		}
		wait := time.NewTimer(10 * time.Second)
		<-wait.C
		if n.quiet.busy() || n.running() != 1 {
			t.Errorf("live: %v, with %d sessions", n.quiet.busy(), n.running())
		}
	})
}

// A presigned signing of which its members were told different things ends soon.
func TestAPresignedSigningEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, _ := newSigners(t, p2ptest.Simulated, 2, nil)
		spec := c.coord.use(c.presign(key, 0, 1), digest(1))
		spec.Expires = time.Now().Add(10 * time.Minute).Unix()
		start := time.Now()
		if a := c.coord.answer(c.parties[0].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		wait := time.NewTimer(presignedLife + time.Second)
		<-wait.C
		if n := c.parties[0].node.running(); n != 0 {
			t.Errorf("it still runs after %v", time.Since(start))
		}
	})
}
