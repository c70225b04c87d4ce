package node

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// road notes what is sent to coordinators. Who is stuck takes no frame and refuses none; what is
// broken cannot be sent to anybody.
type road struct {
	mu     sync.Mutex
	stuck  map[protocol.PeerID]bool
	broken map[protocol.SID]bool
	tries  map[protocol.PeerID]int
	atOnce map[protocol.PeerID]int // sends under way
	most   int                     // of them to one coordinator
	told   map[protocol.SID]time.Time
}

// newRoad runs redelivery over a road, until the test ends.
func newRoad(t *testing.T, stuck ...protocol.PeerID) (*road, *bench) {
	t.Helper()
	r := &road{
		stuck: make(map[protocol.PeerID]bool), broken: make(map[protocol.SID]bool), tries: make(map[protocol.PeerID]int),
		atOnce: make(map[protocol.PeerID]int), told: make(map[protocol.SID]time.Time),
	}
	for _, peer := range stuck {
		r.stuck[peer] = true
	}
	b, stop := newBench(t)
	b.send = r.send
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
		stop()
	})
	synctest.Wait()
	return r, b
}

func (r *road) send(ctx context.Context, to protocol.PeerID, f protocol.Frame) error {
	r.mu.Lock()
	r.tries[to]++
	r.atOnce[to]++
	r.most = max(r.most, r.atOnce[to])
	stuck, broken := r.stuck[to], r.broken[f.Outcome.SID]
	r.mu.Unlock()
	if stuck {
		<-ctx.Done()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.atOnce[to]--
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case broken:
		return errors.New("broken")
	}
	r.told[f.Outcome.SID] = time.Now()
	return nil
}

// heard counts the outcomes that were told, of those whose sids begin like this.
func (r *road) heard(begin byte) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for sid := range r.told {
		if sid[0] == begin {
			n++
		}
	}
	return n
}

// owe leaves results for a coordinator that it has not acknowledged.
func (b *bench) owe(to protocol.PeerID, begin byte, many int) {
	for i := range many {
		b.add(newPending(to, protocol.Outcome{SID: protocol.SID{begin, byte(i), byte(i >> 8)}, Record: &protocol.Record{}}))
	}
}

// A coordinator that is gone, or reads nothing, is tried now and then. Others are told at once
// what they ask for, and it is told all as soon as it is back.
func TestACoordinatorThatIsGoneHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = MaxSessionsPerCoordinator
		r, b := newRoad(t, "gone")
		b.owe("gone", 1, many)
		after(redeliverFirst + time.Second) // it is being tried
		for i := range 10 {
			begin := byte(2 + i)
			b.owe("alive", begin, 1)
			if !b.again(protocol.SID{begin}) {
				t.Fatal("an outcome is not known")
			}
			synctest.Wait()
			if r.heard(begin) != 1 {
				t.Errorf("what is asked for is not told at once")
			}
			after(7 * time.Second)
		}
		if r.most > 1 {
			t.Errorf("%d outcomes are sent to one coordinator at a time", r.most)
		}
		if tries := r.tries["gone"]; tries < 3 || tries > many/4 {
			t.Errorf("the coordinator that is gone was tried %d times in more than a minute", tries)
		}
		r.mu.Lock()
		r.stuck["gone"] = false
		r.mu.Unlock()
		after(sendLimit + redeliverMost)
		if n := r.heard(1); n != many {
			t.Errorf("a coordinator that is back was told %d outcomes of %d", n, many)
		}
		for i := range many {
			b.acknowledge("gone", &protocol.Ack{SID: protocol.SID{1, byte(i)}})
		}
		for i := range 10 {
			b.acknowledge("alive", &protocol.Ack{SID: protocol.SID{byte(2 + i)}})
		}
		if len(b.to) != 0 {
			t.Errorf("%d coordinators are remembered to which nothing is to be told", len(b.to))
		}
	})
}

// A coordinator that asks is there: it is told without the rest of a turn that failed.
func TestWhoAsksAfterARestartIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b := newRoad(t, "restarted")
		b.owe("restarted", 1, 2)
		after(3 * time.Minute)
		r.mu.Lock()
		r.stuck["restarted"] = false
		r.mu.Unlock()
		after(sendLimit) // a try that is under way ends
		if r.heard(1) != 0 {
			t.Fatal("it was told before it asked: this test shows nothing")
		}
		b.again(protocol.SID{1, 1})
		synctest.Wait()
		if r.told[protocol.SID{1, 1}].IsZero() {
			t.Error("the outcome that was asked for is not told at once")
		}
	})
}

// One outcome that can never be sent does not keep the others of its coordinator.
func TestAnOutcomeThatCannotBeSentKeepsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b := newRoad(t)
		r.broken[protocol.SID{1, 0}] = true
		b.owe("coordinator", 1, 20)
		after(2 * redeliverMost)
		if n := r.heard(1); n != 19 {
			t.Errorf("%d outcomes of 19 were told", n)
		}
	})
}

// A stop offers everything once more to those that are there, within its time.
func TestAStopTellsEverybodyWhoIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b := newRoad(t, "gone", "lost")
		b.owe("gone", 1, 64)
		b.owe("lost", 2, 64)
		b.owe("alive", 3, 64)
		ctx, cancel := context.WithTimeout(t.Context(), drainReport)
		defer cancel()
		began := time.Now()
		b.flush(ctx)
		if took := time.Since(began); r.heard(3) != 64 || took > drainReport {
			t.Errorf("%d outcomes of 64 were told in %v", r.heard(3), took)
		}
	})
}

// A coordinator that was started anew, and proposes the keygen again that it has lost the end of, is told the key
// at once: while the session is remembered, and later.
func TestAKeyIsToldAgainForACopyOfItsProposal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		c.coord.mutely(true)
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		certificate(t, c.coord.run(spec))
		c.awaitActive(t, spec, 0, 1, 2)
		peer := c.peers(0)[0]
		for _, pause := range []time.Duration{linger / 2, 2 * linger} {
			after(pause)
			offered := c.coord.offered(peer)
			c.coord.await("one more outcome", redeliverMost+time.Second, func() bool { return c.coord.offers[peer] > offered })
			c.coord.send(peer, protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
			after(time.Second) // the next one in its turn comes after half a minute
			if more := c.coord.offered(peer) - offered; more != 2 {
				t.Errorf("the key was told %d times, with its proposal repeated after %v", more, pause)
			}
		}
	})
}
