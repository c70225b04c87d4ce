package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestAnOutcomeIsOfferedUntilItIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		p, peer := c.parties[0], c.peers(0)[0]
		eventually(t, "the keygen's outcome is forgotten", func() bool { return undelivered(t, p) == 0 })
		c.coord.mutely(true)
		spec := c.coord.sign(key, digest(1), c.peers(0, 1))
		checkSignatures(t, spec, cert, c.coord.run(spec))
		more := func(what string, by int) {
			t.Helper()
			want := c.coord.offered(peer) + by
			c.coord.await(what, 3*time.Minute, func() bool { return c.coord.offers[peer] >= want })
		}
		more("the outcome again and again", 4)
		if undelivered(t, p) != 1 {
			t.Error("the outcome is not on disk")
		}
		p.restart()
		c.net.Mesh(c.hosts()...)
		more("the outcome after a restart", 2)
		// Somebody else's acknowledgement does not count.
		p.node.outcomes.acknowledge(c.peers(1)[0], &protocol.Ack{SID: spec.SID()})
		more("the outcome after a stranger's acknowledgement", 1)

		c.coord.mutely(false)
		eventually(t, "the acknowledged outcome is forgotten", func() bool { return undelivered(t, p) == 0 })
		p.restart()
		c.net.Mesh(c.hosts()...)
		before := c.coord.offered(peer)
		time.Sleep(2 * time.Minute) // virtual: nothing more may come
		if more := c.coord.offered(peer) - before; more != 0 {
			t.Errorf("the outcome was offered %d times after its acknowledgement", more)
		}
	})
}

// undelivered counts the outcomes on a party's disk.
func undelivered(t *testing.T, p *party) int {
	t.Helper()
	n, err := p.store.Count(t.Context(), kindOutcome, keystore.StatePending)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A failure takes nobody's place: not the result's of the same session, which may
// come after it, and its acknowledgement leaves the result where it is.
func TestAFailureDoesNotReplaceAResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		_, cert := c.key(protocol.EdDSA, 2)
		sid, p, coordinator := cert.Body.SID, c.parties[0], c.coord.host.ID()
		eventually(t, "the outcome is acknowledged", func() bool { return undelivered(t, p) == 0 })
		c.coord.mutely(true)
		o, ctx := p.node.outcomes, t.Context()
		failure := protocol.Outcome{SID: sid, Failure: &protocol.Failure{Code: protocol.CodeCrashed}}
		result := protocol.Outcome{SID: sid, Record: &protocol.Record{}}
		record, err := o.record(coordinator, &result)
		if err != nil {
			t.Fatal(err)
		}
		told := func() *protocol.Outcome {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.pending[sid] == nil {
				return nil
			}
			return o.pending[sid].frame.Outcome
		}
		o.offer(ctx, coordinator, failure)
		p.put(t, record)
		o.acknowledge(coordinator, &protocol.Ack{SID: sid})
		if told() != nil || undelivered(t, p) != 1 {
			t.Error("the acknowledgement of a failure has deleted a result")
		}
		o.offer(ctx, coordinator, failure)
		o.offer(ctx, coordinator, result)
		o.offer(ctx, coordinator, failure)
		o.acknowledge(coordinator, &protocol.Ack{SID: sid, Failure: true})
		if out := told(); out == nil || out.Record == nil || undelivered(t, p) != 1 {
			t.Errorf("it tells %+v", out)
		}
		o.acknowledge(coordinator, &protocol.Ack{SID: sid})
		if told() != nil {
			t.Error("an acknowledged result is still told")
		}
		eventually(t, "an acknowledged result is forgotten", func() bool { return undelivered(t, p) == 0 })
	})
}
