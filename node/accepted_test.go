package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// copyOf proposes a signing once more to one party and returns what it answers.
func (c *cluster) copyOf(spec *protocol.Spec, to int) protocol.Code {
	c.tb.Helper()
	peer := c.parties[to].ID()
	c.coord.forget(spec.SID(), peer)
	return c.coord.answer(peer, spec).Code
}

// A signing that was accepted, is over, and of which there is nothing to tell: the
// coordinator hears that nothing comes any more, also of a presigned one. While there is
// an outcome, on disk or on its way there, that is told again instead.
func TestAnAcceptedSigningWithoutAnOutcomeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		c.coord.mutely(true)
		spec := c.coord.sign(key, digest(1), c.peers(0, 1))
		checkSignatures(t, spec, cert, c.coord.run(spec))
		told := func(when string) {
			t.Helper()
			before := c.coord.offered(p.ID())
			start := time.Now()
			if code := c.copyOf(spec, 0); code != protocol.CodeReplay {
				t.Errorf("%s: %q", when, code)
			}
			c.coord.await("the outcome again", time.Minute, func() bool { return c.coord.offers[p.ID()] > before })
			if took := time.Since(start); took > time.Second {
				t.Errorf("%s: the outcome was told after %v", when, took)
			}
		}
		p.node.forgetEnded(time.Now().Add(2 * linger)) // it is not on disk yet
		told("it is in memory")
		after(2 * writeAfter)
		p.restart()
		c.net.Mesh(c.hosts()...)
		told("it was on disk")
		p.restart()
		c.net.Mesh(c.hosts()...)
		p.node.outcomes.mu.Lock() // not read yet
		clear(p.node.outcomes.pending)
		p.node.outcomes.mu.Unlock()
		if code := c.copyOf(spec, 0); code != protocol.CodeReplay {
			t.Errorf("it is on disk alone: %q", code)
		}
		if err := p.store.Delete(t.Context(), kindOutcome, spec.SID().String()); err != nil { // a power cut came before it was written
			t.Fatal(err)
		}
		p.restart()
		c.net.Mesh(c.hosts()...)
		if code := c.copyOf(spec, 0); code != protocol.CodeCrashed {
			t.Errorf("it is lost: %q", code)
		}
		for name, change := range map[string]func(*protocol.Spec){
			"another deadline": func(s *protocol.Spec) { s.Expires++ },
			"another payload":  func(s *protocol.Spec) { s.Payload = digest(2) },
			"other members":    func(s *protocol.Spec) { s.Roster = membersOf(key, c.peers(0, 2)) },
		} {
			other := clone(spec)
			change(other)
			c.coord.authorise(other)
			if a := c.coord.answer(p.ID(), other); a.Code != protocol.CodeReplay {
				t.Errorf("%s: %+v", name, a)
			}
		}
		if code := c.copyOf(key, 0); code != protocol.CodeReplay {
			t.Errorf("the keygen: %q", code)
		}
	})
}

// A copy of a proposal that was refused, because its outcome is kept, has that told again at once,
// as the first one had.
func TestARefusedCopyHasTheOutcomeToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		c.coord.mutely(true)
		spec := c.coord.sign(key, digest(1), c.peers())
		checkSignatures(t, spec, cert, c.coord.run(spec))
		after(2 * writeAfter)
		p.restart()
		c.net.Mesh(c.hosts()...)
		before := c.coord.offered(p.ID())
		for range 3 {
			start := time.Now()
			if code := c.copyOf(spec, 0); code != protocol.CodeReplay {
				t.Errorf("%q", code)
			}
			c.coord.await("the outcome again", time.Minute, func() bool { return c.coord.offers[p.ID()] > before })
			if took := time.Since(start); took > redeliverFirst/2 {
				t.Errorf("the outcome was told after %v", took)
			}
			after(redeliverFirst / 2) // whatever else comes by itself
			before = c.coord.offered(p.ID())
		}
	})
}

// What was refused because the store failed is looked at anew when it is proposed again, and
// what was kept of the refusal is forgotten without it.
func TestAPassingFailureOfTheStoreIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		spec := c.coord.sign(key, digest(1), c.peers())
		p.put(t, keystore.Record{
			Header: keystore.Header{Kind: kindRequest, ID: spec.Session, Account: spec.Account, State: keystore.StateUsed}, Payload: []byte("not a request"),
		})
		for range 2 {
			if code := c.copyOf(spec, 0); code != protocol.CodeStorage {
				t.Fatalf("while it cannot be read: %q", code)
			}
		}
		if err := p.store.Delete(t.Context(), kindRequest, spec.Session); err != nil {
			t.Fatal(err)
		}
		if code := c.copyOf(spec, 0); code != "" {
			t.Fatalf("when it can: %q", code)
		}
		p.node.forgetEnded(time.Now().Add(2 * linger)) // the refusals
		if !p.node.underWay(spec.SID()) {
			t.Error("the session was forgotten with its refusal")
		}
		checkSignatures(t, spec, cert, c.coord.run(spec))
	})
}

// The failure of a signing is told once, and may be lost: a copy of the proposal is
// answered with its end, as long as the session is remembered and afterwards.
func TestAFailedSigningIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		spec := c.coord.sign(key, digest(1), c.peers())
		if a := c.coord.answer(c.parties[0].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		if code := c.copyOf(spec, 0); code != "" {
			t.Errorf("while it runs: %q", code)
		}
		c.cancel(spec)
		c.coord.awaitFailure(spec.SID(), c.parties[0].ID())
		eventually(t, "it has ended", func() bool { return !c.parties[0].node.underWay(spec.SID()) })
		if code := c.copyOf(spec, 0); code != protocol.CodeCrashed {
			t.Errorf("just after it: %q", code)
		}
		c.parties[0].node.forgetEnded(time.Now().Add(2 * linger))
		if code := c.copyOf(spec, 0); code != protocol.CodeCrashed {
			t.Errorf("later: %q", code)
		}
	})
}

// A signing that has used its presignature up says so too, and not that it never had one.
func TestAPresignedSigningThatWasLostIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		presigned := c.presign(key, 0, 1)
		spec := c.coord.use(presigned, digest(1))
		c.signed(spec, cert)
		n := c.parties[0].node
		eventually(t, "the result is acknowledged", func() bool { return !n.outcomes.again(spec.SID()) })
		c.parties[0].restart()
		c.net.Mesh(c.hosts()...)
		if code := c.copyOf(spec, 0); code != protocol.CodeCrashed {
			t.Errorf("the same: %q", code)
		}
		c.refusedPresign("another signing", 0, c.coord.use(presigned, digest(2)))
		if code := c.copyOf(presigned, 0); code != protocol.CodeReplay {
			t.Errorf("the presigning: %q", code)
		}
	})
}
