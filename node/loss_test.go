package node

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2psim"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// slow is a network on which a test can act in the middle of a ceremony.
func slow() p2ptest.Config {
	return p2ptest.Config{Transport: p2ptest.Simulated, Sim: p2psim.Config{Latency: 100 * time.Millisecond}}
}

func TestSessionsSucceedOverALossyNetwork(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		sim := p2psim.Config{Latency: 20 * time.Millisecond, Loss: 0.05, Seed: seed}
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated, Sim: sim}, 4, nil)
		key, cert := c.key(protocol.EdDSA, 3)
		for i, signers := range [][]int{{0, 1, 2}, {0, 2, 3}, {1, 2, 3}} {
			spec := c.coord.sign(key, digest(i), c.peers(signers...))
			checkSignatures(t, spec, cert, c.coord.run(spec))
		}
	})
}

func TestAMemberThatWasAwayCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slow(), 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		spec := c.coord.sign(key, digest(1), c.peers(0, 2))
		sid := c.coord.propose(spec)
		c.coord.awaitRounds(sid)
		c.net.Sim.Isolate(c.parties[2].Index, true)
		time.AfterFunc(15*time.Second, func() { c.net.Sim.Isolate(c.parties[2].Index, false) })
		checkSignatures(t, spec, cert, c.coord.result(spec))
	})
}

func TestAKilledMemberIsNamedAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slow(), 4, nil)
		key, _ := c.key(protocol.EdDSA, 3)
		spec := c.coord.sign(key, digest(1), c.peers(0, 1, 3))
		spec.Expires = time.Now().Add(20 * time.Second).Unix()
		sid := c.coord.propose(spec)
		c.coord.awaitRounds(sid)
		c.parties[3].Kill()
		alone := 0 // a member that has heard the last of the killed one waits for the other as well, which has not
		for _, peer := range c.peers(0, 1) {
			f := c.coord.awaitFailure(sid, peer)
			if f.Code != protocol.CodeTimeout || !strings.Contains(f.Detail, c.peers(3)[0]) {
				t.Errorf("got %+v, want %q and the missing member", f, protocol.CodeTimeout)
			}
			if strings.HasSuffix(f.Detail, "while waiting for "+c.peers(3)[0]) {
				alone++
			}
		}
		if alone == 0 {
			t.Error("nobody waits for the missing member alone")
		}
		if late := time.Since(spec.Deadline()); late < -time.Second || late > 3*time.Second {
			t.Errorf("the failure came %v after the deadline", late)
		}
	})
}

func TestAMemberThatCannotBeReachedIsNamedBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slow(), 3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		c.parties[2].Kill()
		c.parties[0].restart() // it has no connection to the dead one, nor hope of any
		spec := c.coord.sign(key, digest(1), c.peers(0, 2))
		c.net.Mesh(c.hosts()[0], c.hosts()[3])
		a := c.coord.answer(c.peers(0)[0], spec)
		if a.Code != "" {
			t.Fatalf("refused: %+v", a)
		}
		f := c.coord.awaitFailure(spec.SID(), c.peers(0)[0])
		if f.Code != protocol.CodeUnreachable || !strings.Contains(f.Detail, c.peers(2)[0]) || !time.Now().Before(spec.Deadline()) {
			t.Errorf("got %+v, %v before the deadline; want %q and the member, early", f, time.Until(spec.Deadline()), protocol.CodeUnreachable)
		}
	})
}

func TestACancelledSessionEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slow(), 3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		spec := c.coord.sign(key, digest(1), c.peers(0, 1))
		sid := c.coord.propose(spec)
		c.coord.awaitRounds(sid)
		start := time.Now()
		for _, peer := range c.peers(0, 1) {
			c.coord.send(peer, protocol.Frame{Cancel: &protocol.Cancel{SID: sid, Reason: "the user changed her mind"}})
		}
		for _, peer := range c.peers(0, 1) {
			f := c.coord.awaitFailure(sid, peer)
			if f.Code != protocol.CodeCancelled || !strings.Contains(f.Detail, "changed her mind") {
				t.Errorf("got %+v, want %q and the reason", f, protocol.CodeCancelled)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestADialThatTimedOutIsNotTheDeadline(t *testing.T) {
	var c ceremony
	f := c.failure(refuse(protocol.CodeUnreachable, "member cannot be reached: %w", context.DeadlineExceeded))
	if f.Code != protocol.CodeUnreachable || !strings.Contains(f.Detail, "member") {
		t.Errorf("got %+v, want %q", f, protocol.CodeUnreachable)
	}
	if f := c.failure(context.DeadlineExceeded); f.Code != protocol.CodeTimeout {
		t.Errorf("got %+v, want %q", f, protocol.CodeTimeout)
	}
}
