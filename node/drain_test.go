package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestAStopLetsARunningSessionFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slow(), 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		spec := c.coord.sign(key, digest(1), c.peers(0, 1))
		sid := c.coord.propose(spec)
		c.coord.awaitRounds(sid)
		c.parties[0].cancel()
		late := c.coord.sign(key, digest(2), c.peers(0, 1))
		if a := c.coord.answer(c.peers(0)[0], late); a.Code != protocol.CodeDraining {
			t.Errorf("got %+v, want %q", a, protocol.CodeDraining)
		}
		checkSignatures(t, spec, cert, c.coord.result(spec))
		c.parties[0].ended.Wait()
	})
}

func TestAHangingSessionDoesNotHoldUpAStop(t *testing.T) {
	const limit = 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, func(c *Config) { c.DrainTimeout = limit })
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		if a := c.coord.answer(c.peers(0)[0], spec); a.Code != "" {
			t.Fatalf("refused: %+v", a)
		}
		start := time.Now()
		c.parties[0].cancel()
		f := c.coord.awaitFailure(spec.SID(), c.peers(0)[0])
		if f.Code != protocol.CodeDraining {
			t.Errorf("got %+v, want %q", f, protocol.CodeDraining)
		}
		c.parties[0].ended.Wait()
		if took := time.Since(start); took < limit || took > limit+time.Second {
			t.Errorf("the stop took %v, want %v", took, limit)
		}
	})
}
