package node

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// watch keeps what a supervisor would know: the sessions that run.
type watch struct {
	mu      sync.Mutex
	running []SessionRef
	begun   int
}

func (w *watch) Began(s SessionRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = append(w.running, s)
	w.begun++
}

func (w *watch) Ended(s SessionRef) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = slices.DeleteFunc(w.running, func(r SessionRef) bool { return r == s })
}

func (w *watch) now() ([]SessionRef, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.running), w.begun
}

// watching makes the next starts of a party tell a watch. They end without a drain.
func (p *party) watching(w *watch) {
	p.cfg = func(cfg *Config) {
		cfg.DrainTimeout = 1
		cfg.Watch = w
		cfg.Interrupted, _ = w.now()
	}
}

func (c *cluster) forgetOutcomes() {
	c.coord.mu.Lock()
	defer c.coord.mu.Unlock()
	clear(c.coord.outcomes)
}

// A party crashes in the middle of a session: the next process tells the
// coordinator, does not take the session up again, and takes part in the next
// attempt.
func TestTheCoordinatorHearsOfAnInterruptedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slow(), 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		p, w := c.parties[0], &watch{}
		p.watching(w)
		p.restart()
		c.net.Mesh(c.hosts()...)
		spec := c.coord.sign(key, digest(1), c.peers(0, 1))
		sid := c.coord.propose(spec)
		c.coord.awaitRounds(sid)
		ref := SessionRef{SID: sid, Coordinator: spec.Coordinator, Kind: protocol.KindSign, Key: key.Key, Epoch: key.Epoch}
		if running, _ := w.now(); !slices.Equal(running, []SessionRef{ref}) {
			t.Errorf("the watch knows of %v, want %v", running, ref)
		}
		p.crash(w)
		c.net.Mesh(c.hosts()...)
		if f := c.coord.awaitFailure(sid, p.ID()); f.Code != protocol.CodeCrashed || f.Detail == "" || len(f.Culprits) > 0 {
			t.Errorf("got %+v, want %q", f, protocol.CodeCrashed)
		}
		eventually(t, "the watch forgets the session", func() bool { running, _ := w.now(); return len(running) == 0 })
		c.coord.mu.Lock()
		delete(c.coord.answers[sid], p.ID())
		c.coord.mu.Unlock()
		if a := c.coord.answer(p.ID(), spec); a.Code != protocol.CodeReplay {
			t.Errorf("proposed again, the session is answered with %+v", a)
		}
		next := *spec
		next.Attempt++
		checkSignatures(t, &next, cert, c.coord.run(&next))
		eventually(t, "the watch has heard of both ends", func() bool { running, begun := w.now(); return len(running) == 0 && begun == 2 })
	})
}

// crash ends the process as a panic does, as far as anybody else can see, and
// starts the next one.
func (p *party) crash(w *watch) {
	p.c.tb.Helper()
	p.Kill()
	lost, _ := w.now()
	p.stop()
	for _, ref := range lost { // the panic left no time for these
		w.Began(ref)
	}
	w.begun -= len(lost)
	p.Restart(true)
	p.start()
}

// A crash after the result was saved loses nothing: it is told, and no failure.
func TestAResultOnDiskIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		c.coord.mutely(true)
		spec := c.coord.sign(key, digest(1), c.peers())
		c.coord.run(spec)
		c.forgetOutcomes()
		p, w := c.parties[0], &watch{}
		w.Began(SessionRef{SID: spec.SID(), Coordinator: spec.Coordinator, Kind: protocol.KindSign, Key: key.Key})
		p.watching(w)
		p.restart()
		c.net.Mesh(c.hosts()...)
		checkSignatures(t, spec, cert, c.coord.result(spec))
		eventually(t, "the watch forgets the session", func() bool { running, _ := w.now(); return len(running) == 0 })
		time.Sleep(time.Minute) // virtual; a failure would have come
		checkSignatures(t, spec, cert, c.coord.result(spec))
	})
}

// A crash between pending and active: the key that the others have is completed, and
// one that nobody has is reported.
func TestAnInterruptedKeygenIsCompletedOrReported(t *testing.T) {
	for _, complete := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
			key, _ := c.key(protocol.EdDSA, 2)
			p, w := c.parties[0], &watch{}
			eventually(t, "the outcome is acknowledged", func() bool {
				_, err := p.store.Get(t.Context(), kindOutcome, key.SID().String())
				return errors.Is(err, keystore.ErrNotFound)
			})
			c.forgetOutcomes()
			w.Began(SessionRef{SID: key.SID(), Coordinator: key.Coordinator, Kind: protocol.KindKeygen, Key: key.Key, Epoch: key.Epoch})
			p.interrupt(t, key)
			if !complete {
				c.parties[1].Kill() // with the only other signature
			}
			p.watching(w)
			p.restart()
			c.net.Mesh(c.hosts()[0], c.hosts()[2])
			if complete {
				c.net.Mesh(c.hosts()...)
				c.awaitActive(t, key, 0)
			} else if f := c.coord.awaitFailure(key.SID(), p.ID()); f.Code != protocol.CodeCrashed {
				t.Errorf("got %+v, want %q", f, protocol.CodeCrashed)
			}
			eventually(t, "the watch forgets the session", func() bool { running, _ := w.now(); return len(running) == 0 })
			c.coord.mu.Lock()
			out := c.coord.outcomes[key.SID()][p.ID()]
			c.coord.mu.Unlock()
			if complete != (out.Failure == nil) {
				t.Errorf("the coordinator was told %+v", out)
			}
			if state := p.stateOf(t, key); !complete && state != keystore.StatePending {
				t.Errorf("the share is %s", state)
			}
		})
	}
}

// A key is completed by the others while the party still tries to reach the
// coordinator, which then hears of the result, and of no failure.
func TestAKeyThatIsCompletedMeanwhileIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		p, w := c.parties[0], &watch{}
		eventually(t, "the outcome is acknowledged", func() bool { return undelivered(t, p) == 0 })
		c.forgetOutcomes()
		w.Began(SessionRef{SID: key.SID(), Coordinator: key.Coordinator, Kind: protocol.KindKeygen, Key: key.Key, Epoch: key.Epoch})
		p.interrupt(t, key)
		c.net.Sim.Isolate(p.Index, true)
		p.watching(w)
		p.restart()
		<-time.After(50 * time.Second)
		c.net.Sim.Isolate(p.Index, false)
		c.net.Sim.Cut(p.Index, c.coord.node.Index, true) // it is back a little later
		c.net.Mesh(c.hosts()[0], c.hosts()[1])
		c.awaitActive(t, key, 0)
		<-time.After(10 * time.Second)
		c.net.Sim.Cut(p.Index, c.coord.node.Index, false)
		c.coord.await("an outcome", 5*time.Minute, func() bool { _, ok := c.coord.outcomes[key.SID()][p.ID()]; return ok })
		<-time.After(5 * time.Minute)
		c.coord.mu.Lock()
		out := c.coord.outcomes[key.SID()][p.ID()]
		c.coord.mu.Unlock()
		if out.Record == nil || out.Failure != nil {
			t.Errorf("the coordinator was told %+v", out)
		}
	})
}
