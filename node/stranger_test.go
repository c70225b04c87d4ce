package node

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// confidential are the messages that have one recipient, by name.
var confidential = map[protocol.Scheme][]string{
	protocol.EdDSA: {"KGRound2Message1"},
	protocol.ECDSA: {"KGRound2Message1", "SignRound1Message1", "SignRound2Message"},
}

// checkConfidential checks where every envelope of a session has arrived.
func checkConfidential(t *testing.T, heard []arrival, names []string, sids ...protocol.SID) {
	t.Helper()
	seen := make(map[string]int)
	recipients := make(map[[32]byte]p2p.PeerID) // by payload
	for _, a := range heard {
		h := a.header
		if !slices.Contains(sids, h.SID) || h.Type != protocol.TypeRound || h.To == "" || a.from != h.From { // the last are replays
			continue
		}
		seen[h.Name]++
		if a.gossip || h.To != a.to {
			t.Errorf("a message %s for %s arrived at %s, gossip %v", h.Name, h.To, a.to, a.gossip)
		}
		if other, twice := recipients[h.Hash]; twice && other != a.to {
			t.Errorf("the same message %s arrived at %s and %s", h.Name, other, a.to)
		}
		recipients[h.Hash] = a.to
	}
	for _, a := range heard {
		if _, secret := recipients[a.header.Hash]; secret && a.header.To == "" {
			t.Errorf("a confidential message was broadcast as %s", a.header.Name)
		}
	}
	for _, name := range names {
		if seen[name] == 0 {
			t.Errorf("no message %s was seen: nothing was tested (seen: %v)", name, seen)
		}
	}
}

// An admitted party that is in no roster joins every topic with a client of its
// own, pulls, replays and lies. It receives not one message of a keygen and a
// signing, and what is confidential reaches its recipient alone.
func TestAStrangerHearsNothing(t *testing.T) { strangerHearsNothing(t, protocol.EdDSA) }

func strangerHearsNothing(t *testing.T, scheme protocol.Scheme) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{tb: t, net: p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated}), tap: &wiretap{}}
		c.populate(3, nil)
		a := c.attack()
		calm := func(ctx context.Context) func() bool { return slowly(ctx, 5*time.Millisecond) }
		if scheme == protocol.ECDSA {
			c.stock()
		}
		key := c.coord.keygen(scheme, 2, c.peers())
		cert := certificate(t, a.during(key, calm))
		spec := c.coord.sign(key, digest(1), c.peers(0, 2))
		checkSignatures(t, spec, cert, a.during(spec, calm))

		checkConfidential(t, c.tap.all(), confidential[scheme], key.SID(), spec.SID())
		if got := a.Heard(); len(got) != 0 {
			t.Errorf("the stranger received %d messages on topics", len(got))
		}
		if got := a.Frames(); len(got) != 0 {
			t.Errorf("the stranger received %d frames", len(got))
		}
		c.checkUninvolved(t, a.ID())
	})
}

// checkUninvolved checks that no session has, or had, anything of a peer.
func (c *cluster) checkUninvolved(t *testing.T, stranger p2p.PeerID) {
	t.Helper()
	intrusions := uint64(0)
	for _, p := range c.parties {
		intrusions += p.Stats().Intrusions
		if _, met := p.Member(stranger); !met {
			t.Errorf("party %d has disconnected a member of the network", p.Index)
		}
		p.checkBounds(t, stranger)
	}
	if intrusions == 0 {
		t.Error("nobody met an intrusion: nothing was tested")
	}
}

// checkBounds checks what a party holds of others, and that no session of its has
// anything of a stranger.
func (p *party) checkBounds(t *testing.T, stranger p2p.PeerID) {
	t.Helper()
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	for sid, s := range p.node.sessions {
		s.inbox.mu.Lock()
		for peer, m := range s.inbox.of {
			if len(m.packets) > inboxPackets || m.bytes > inboxBytes {
				t.Errorf("session %s has %d packets, %d bytes of %s", sid.Short(), len(m.packets), m.bytes, peer)
			}
		}
		if s.inbox.of[stranger] != nil {
			t.Errorf("session %s has room for a stranger", sid.Short())
		}
		s.inbox.mu.Unlock()
	}
	e := p.node.early
	e.mu.Lock()
	defer e.mu.Unlock()
	for peer, share := range e.perPeer {
		if share.packets > earlyPerPeer || share.bytes > earlyBytesPerPeer {
			t.Errorf("%d early messages, %d bytes of %s", share.packets, share.bytes, peer)
		}
	}
	if e.bytes > earlyBytes {
		t.Errorf("%d bytes of early messages", e.bytes)
	}
}

// watchBounds checks the bounds again and again, until the test ends.
func (c *cluster) watchBounds(t *testing.T, stranger p2p.PeerID) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for next := slowly(ctx, 2*time.Millisecond); next(); {
			for _, p := range c.parties {
				p.checkBounds(t, stranger)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// The same party floods all members, on the topic and on streams, with junk, its own
// words and those of others. Sessions complete.
func TestAStrangerFloodsInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strangerFloods(t, p2ptest.Simulated, func(ctx context.Context) func() bool { return slowly(ctx, time.Millisecond) })
	})
}

func strangerFloods(t *testing.T, transport p2ptest.Transport, flood func(context.Context) func() bool) {
	c := &cluster{tb: t, net: p2ptest.New(t, p2ptest.Config{Transport: transport}), tap: &wiretap{}}
	c.populate(3, nil)
	a := c.attack()
	defer c.watchBounds(t, a.ID())()
	// One session has to wait, so that there is always a topic to flood: nobody asks
	// one of its members.
	waits := c.coord.keygen(protocol.EdDSA, 2, c.peers())
	a.Join(t.Context(), protocol.SessionTopic(waits.SID()))
	for _, peer := range c.peers(0, 1) {
		if answer := c.coord.answer(peer, waits); answer.Code != "" {
			t.Fatalf("refused: %+v", answer)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var flooding sync.WaitGroup
	flooding.Go(func() { a.pester(ctx, protocol.SessionTopic(waits.SID()), waits.SID(), flood(ctx)) })
	defer flooding.Wait()
	defer cancel()

	key := c.coord.keygen(protocol.EdDSA, 2, c.peers())
	cert := certificate(t, a.during(key, flood))
	for i, signers := range [][]int{{0, 1}, {0, 2}, {1, 2}} {
		spec := c.coord.sign(key, digest(i), c.peers(signers...))
		checkSignatures(t, spec, cert, a.during(spec, flood))
	}
	checkConfidential(t, c.tap.all(), confidential[protocol.EdDSA], key.SID())
	if got := a.Heard(); len(got) != 0 {
		t.Errorf("the stranger received %d messages on topics", len(got))
	}
	for _, p := range c.parties[:2] {
		p2ptest.Eventually(t, 20*time.Second, "intrusions", func() bool { return p.Stats().Intrusions > 100 })
		if p.session(t, waits.SID()).ended() {
			t.Error("the session that waits has ended")
		}
	}
	c.coord.send(c.peers(0)[0], protocol.Frame{Cancel: &protocol.Cancel{SID: waits.SID(), Reason: "enough"}})
	for _, peer := range c.peers(0, 1) { // the other hears of it in spite of the flood
		if f := c.coord.awaitFailure(waits.SID(), peer); f.Code != protocol.CodeCancelled && f.GaveUp != c.peers(0)[0] {
			t.Errorf("the session that waits ended with %+v", f)
		}
	}
	c.checkUninvolved(t, a.ID())
}

// A member that floods its own session does not hold up those of others, and that
// session goes on.
func TestAMemberFloodsItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{tb: t, net: p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated}), tap: &wiretap{}}
		c.populate(3, nil)
		a := c.attack()
		defer c.watchBounds(t, "")()
		theirs := c.coord.keygen(protocol.EdDSA, 2, append(c.peers(0, 1), a.ID()))
		sid := theirs.SID()
		a.Join(t.Context(), protocol.SessionTopic(sid))
		for _, peer := range c.peers(0, 1) {
			if answer := c.coord.answer(peer, theirs); answer.Code != "" {
				t.Fatalf("refused: %+v", answer)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var flooding sync.WaitGroup
		flooding.Go(func() { a.noise(ctx, sid, c.peers(0, 1), slowly(ctx, time.Millisecond)) })
		defer flooding.Wait()
		defer cancel()

		key, cert := c.key(protocol.EdDSA, 2)
		for i, signers := range [][]int{{0, 1}, {0, 2}, {1, 2}} {
			spec := c.coord.sign(key, digest(i), c.peers(signers...))
			checkSignatures(t, spec, cert, c.coord.run(spec))
		}
		for _, p := range c.parties[:2] {
			eventually(t, "the flood is held back", func() bool { return p.Stats().TooFast > 100 })
			if p.session(t, sid).ended() {
				t.Error("the flooded session has ended: nothing was tested")
			}
		}
		c.coord.send(c.peers(0)[0], protocol.Frame{Cancel: &protocol.Cancel{SID: sid, Reason: "enough"}})
		for _, peer := range c.peers(0, 1) { // the other hears of it in spite of the flood
			if f := c.coord.awaitFailure(sid, peer); f.Code != protocol.CodeCancelled && f.GaveUp != c.peers(0)[0] {
				t.Errorf("the flooded session ended with %+v", f)
			}
		}
	})
}
