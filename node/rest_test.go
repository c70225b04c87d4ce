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

// A session that only waits stays at rest whatever a member repeats, says too much of or should
// not say; what it has waited for wakes it.
func TestUselessMessagesWakeNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, _ := c.key(protocol.EdDSA, 3)
		rogue := c.parties[2].turn(key)
		n, spec := c.parties[0].node, c.coord.sign(key, digest(1), c.peers())
		play := rogue.join(spec)
		play.show(c.peers(0)...)
		c.coord.proposeTo(spec, c.peers(0)...)
		first, err := play.faces[0].session.Ready() // its first round
		if err != nil || len(first.Broadcast) == 0 {
			t.Fatalf("%+v, %v", first, err)
		}
		rests := func() bool { return n.running() == 1 && !n.quiet.busy() }
		say := func(envelope []byte) { play.send(t.Context(), n.cfg.Host.ID(), envelope) }
		seal := func(h protocol.Header, payload string) []byte {
			h.SID = spec.SID()
			envelope, err := protocol.Seal(rogue.Host, h, []byte(payload)).Encode()
			if err != nil {
				t.Fatal(err)
			}
			return envelope
		}
		eventually(t, "the session only waits", rests)
		say(first.Broadcast[0])
		eventually(t, "what it has waited for wakes it", n.quiet.busy)
		eventually(t, "the session only waits again", rests)
		for name, envelope := range map[string][]byte{
			"a duplicate":                  first.Broadcast[0],
			"of a kind that a keygen has":  seal(protocol.Header{Type: protocol.TypeReady, Seq: 50}, "x"),
			"for another member":           seal(protocol.Header{Type: protocol.TypeRound, Round: 2, To: c.peers(1)[0], Seq: 51}, "x"),
			"of a kind that nobody writes": seal(protocol.Header{Type: "gossip", Seq: 52}, "x"),
		} {
			n.quiet.mu.Lock()
			since := n.quiet.since
			n.quiet.mu.Unlock()
			for range 20 {
				say(envelope)
				synctest.Wait()
				if !rests() {
					t.Fatalf("%s: the session is live, or has ended", name)
				}
				time.Sleep(50 * time.Millisecond)
			}
			n.quiet.mu.Lock()
			if !n.quiet.since.Equal(since) {
				t.Errorf("%s: the session was live for a moment", name)
			}
			n.quiet.mu.Unlock()
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

// The presignings of one coordinator leave room for another's.
func TestOneCoordinatorDoesNotTakeAllPresignings(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 2, nil)
	n := c.parties[0].node
	greedy := c.coord.keygen(protocol.ECDSA, 2, c.peers())
	greedy.Kind = protocol.KindPresign
	other := *greedy
	other.Coordinator = "other"
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range maxPresigningsOf {
		n.sessions[protocol.SID{byte(i)}] = newCeremony(n, protocol.SID{byte(i)}, proposal{spec: greedy})
		defer delete(n.sessions, protocol.SID{byte(i)})
	}
	if err := n.presignRoomLocked(greedy); codeOf(err) != protocol.CodeBusy {
		t.Errorf("it may begin one more: %v", err)
	}
	if err := n.presignRoomLocked(&other); err != nil {
		t.Errorf("another coordinator is refused: %v", err)
	}
}
