package node

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// shared lists the shared topics that a party is on.
func (p *party) shared() map[string]*p2p.Topic {
	s := p.node.sets
	s.mu.Lock()
	defer s.mu.Unlock()
	topics := make(map[string]*p2p.Topic)
	for name, x := range s.of {
		<-x.joined
		topics[name] = x.topic
	}
	return topics
}

// checkNothingLost fails the test if a party has dropped a message, for whatever reason.
func (c *cluster) checkNothingLost(t testing.TB) {
	t.Helper()
	for i, p := range c.parties {
		if s := p.Stats(); s.TooFast+s.Rejected+s.DroppedRPCs+s.Undeliverable+s.Intrusions != 0 {
			t.Errorf("party %d has lost messages: %+v", i, s)
		}
	}
}

// Signings of one set of parties share a topic, those of another set have another one,
// and a key generation has its own. An idle topic is left after ten minutes, by each
// party for itself, and a signing afterwards finds everybody again.
func TestSigningsOfASetShareATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		for _, p := range c.parties {
			if got := p.shared(); len(got) != 0 {
				t.Fatalf("a keygen has left a topic behind: %v", got)
			}
		}
		n := 0
		sign := func(signers ...int) time.Duration {
			t.Helper()
			n++
			spec := c.coord.sign(key, digest(n), c.peers(signers...))
			start := time.Now()
			checkSignatures(t, spec, cert, c.coord.run(spec))
			return time.Since(start)
		}
		sign(0, 1)
		first := c.parties[0].shared()
		sign(0, 1)
		for name, topic := range c.parties[0].shared() {
			if len(first) != 1 || first[name] != topic {
				t.Errorf("the second signing has another topic: %v, before %v", name, first)
			}
		}
		sign(0, 2)
		if a, b, d := c.parties[0].shared(), c.parties[1].shared(), c.parties[2].shared(); len(a) != 2 || len(b) != 1 || len(d) != 1 {
			t.Errorf("%d, %d and %d topics of two sets", len(a), len(b), len(d))
		}
		p := c.parties[0]
		p.node.sets.expire(time.Now().Add(setLinger - time.Second))
		if got := len(p.shared()); got != 2 {
			t.Errorf("%d topics before their time is up, want 2", got)
		}
		p.node.sets.expire(time.Now().Add(setLinger + time.Second))
		if got := len(p.shared()); got != 0 {
			t.Errorf("%d topics after their time, want none", got)
		}
		time.Sleep(100 * time.Millisecond) // the others have heard of it
		if took := sign(0, 1); took > time.Second {
			t.Errorf("after a party has left the topic a signing takes %v", took)
		}
		time.Sleep(setLinger + 2*sweepInterval)
		for i, p := range c.parties {
			if got := p.shared(); len(got) != 0 {
				t.Errorf("party %d is on %d idle topics", i, len(got))
			}
		}
		if took := sign(0, 1); took > time.Second {
			t.Errorf("after all have left the topic a signing takes %v", took)
		}
		c.checkNothingLost(t)
	})
}

// A signing that begins at one party long before it begins at another loses nothing:
// what the first says is kept, opened, until the second has heard of the session.
func TestWhatIsSaidBeforeTheProposalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 3)
		warm := c.coord.sign(key, digest(1), c.peers())
		checkSignatures(t, warm, cert, c.coord.run(warm))
		time.Sleep(unquiet) // so that the first pull comes after a second
		spec := c.coord.sign(key, digest(2), c.peers())
		propose := func(to p2p.PeerID) { c.coord.send(to, protocol.Frame{Propose: &protocol.Propose{Spec: *spec}}) }
		propose(c.peers()[0])
		propose(c.peers()[1])
		time.Sleep(500 * time.Millisecond)
		late := c.parties[2].node
		late.early.mu.Lock()
		kept := len(late.early.waiting[spec.SID()])
		late.early.mu.Unlock()
		if kept != 2 {
			t.Errorf("%d messages are kept for a session to come, want one of each member", kept)
		}
		start := time.Now()
		propose(late.cfg.Host.ID())
		checkSignatures(t, spec, cert, c.coord.result(spec))
		if took := time.Since(start); took > 400*time.Millisecond {
			t.Errorf("it took %v from the last proposal: a message was pulled", took)
		}
		c.checkNothingLost(t)
	})
}

// What a member repeats of another one's words, on a topic that they share, takes no room of
// that one: what it says before the proposal is kept as always, in sessions without the first.
func TestRepeatedWordsTakeNoRoomOfTheirAuthor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 4, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		other, _ := c.key(protocol.EdDSA, 3)
		late, author, rogue := c.parties[0], c.parties[1], c.parties[3].turn(key, other)
		warm := c.coord.sign(key, digest(1), c.peers(0, 1))
		checkSignatures(t, warm, cert, c.coord.run(warm))
		with := c.coord.sign(other, digest(2), c.peers(0, 1, 3))
		topic := rogue.join(with).topic
		c.coord.proposeTo(with, late.ID()) // it is on the topic from now on
		time.Sleep(unquiet)                // so that the first pull comes after a second
		for i := range earlyPerPeer + 64 {
			h := protocol.Header{SID: protocol.SID{1, byte(i), byte(i >> 8)}, Type: protocol.TypeRound, Round: 1, Seq: 1}
			old, err := protocol.Seal(author.Host, h, nil).Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := topic.Publish(t.Context(), old); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond)
		early := late.node.early
		early.mu.Lock()
		if of, by := early.perPeer[author.ID()].packets, early.perPeer[rogue.ID()].packets; of != 0 || by != earlyPerPeer {
			t.Errorf("%d messages take room of their author, %d of who repeats them, want 0 and %d", of, by, earlyPerPeer)
		}
		early.mu.Unlock()
		if got := late.Stats().Unwanted; got != 64 {
			t.Errorf("%d messages for which there was no room were not verified, want 64", got)
		}
		spec := c.coord.sign(key, digest(3), c.peers(0, 1))
		c.coord.proposeTo(spec, author.ID())
		time.Sleep(500 * time.Millisecond)
		start := time.Now()
		c.coord.proposeTo(spec, late.ID())
		checkSignatures(t, spec, cert, c.coord.result(spec))
		if took := time.Since(start); took > 400*time.Millisecond {
			t.Errorf("it took %v from the last proposal: a message was pulled", took)
		}
	})
}

// The most signings that one coordinator may have under way, of one set and at once,
// lose nothing.
func TestManySigningsOfASetAtOnce(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 3, nil)
	key, cert := c.key(protocol.EdDSA, 3)
	for round := range 4 { // the first on a fresh topic
		var all sync.WaitGroup
		for i := range MaxSessionsPerCoordinator {
			spec := c.coord.sign(key, digest(100*round+i), c.peers())
			all.Go(func() { checkSignatures(t, spec, cert, c.coord.run(spec)) })
		}
		all.Wait()
		for _, p := range c.parties { // an ended session counts for a moment
			eventually(t, "the sessions have ended", func() bool { return p.node.running() == 0 })
		}
	}
	for i, p := range c.parties {
		if got := len(p.shared()); got != 1 {
			t.Errorf("party %d is on %d topics, want 1", i, got)
		}
		p.node.room.mu.Lock()
		if used := len(p.node.room.used); used != 0 {
			t.Errorf("party %d: %d members still take room", i, used)
		}
		p.node.room.mu.Unlock()
	}
	c.checkNothingLost(t)
}

// A member that was restarted between two signings is on the topic again with the next
// one, which waits for no pull of a second.
func TestAMemberRestartsBetweenTwoSignings(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP, p2ptest.Simulated} {
		t.Run(string(transport), func(t *testing.T) {
			bubble := func(t *testing.T, test func(*testing.T)) { test(t) }
			allowed := 15 * time.Second // of a machine's time, which may be a busy one
			if transport == p2ptest.Simulated {
				bubble, allowed = synctest.Test, time.Second
			}
			bubble(t, func(t *testing.T) { restarts(t, transport, allowed) })
		})
	}
}

func restarts(t *testing.T, transport p2ptest.Transport, allowed time.Duration) {
	c := newCluster(t, p2ptest.Config{Transport: transport}, 3, nil)
	key, cert := c.key(protocol.EdDSA, 2)
	for i := range 6 {
		spec := c.coord.sign(key, digest(i), c.peers(0, 1))
		start := time.Now()
		checkSignatures(t, spec, cert, c.coord.run(spec))
		if took := time.Since(start); took > allowed {
			t.Errorf("signing %d took %v", i, took)
		}
		again, other := c.parties[i%2], c.parties[(i+1)%2]
		again.restart()
		eventually(t, "the coordinator and the other member have met the new start", func() bool { // who proposes once only; there is no DHT here
			if c.coord.node.Reach(t.Context(), again.Node) != nil || other.Reach(t.Context(), again.Node) != nil {
				return false
			}
			met := func(by *p2p.Host) bool {
				return slices.ContainsFunc(by.Peers(), func(p p2p.Peer) bool { return p.Peer == again.ID() && p.Boot == again.BootID() })
			}
			return met(c.coord.host) && met(other.Host)
		})
	}
}

// Of the topics that nobody uses the least recently used are left when there are too many.
func TestIdleTopicsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		sets := c.parties[0].node.sets
		spec := func(i int) *protocol.Spec {
			return &protocol.Spec{Kind: protocol.KindSign, Key: "key", Epoch: uint32(i), Roster: members(c.peers())}
		}
		busy, err := sets.enter(t.Context(), spec(0))
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i <= maxIdleSets+10; i++ {
			time.Sleep(time.Millisecond)
			x, err := sets.enter(t.Context(), spec(i))
			if err != nil {
				t.Fatal(err)
			}
			sets.leave(x)
		}
		open := c.parties[0].shared()
		if len(open) != maxIdleSets+1 || open[busy.name] == nil {
			t.Errorf("%d topics are open, want %d idle ones and the one in use", len(open), maxIdleSets)
		}
		for i := range maxIdleSets + 11 {
			name, _ := spec(i).Topic()
			if got, want := open[name] != nil, i == 0 || i > 10; got != want {
				t.Errorf("topic %d is open: %v", i, got)
			}
		}
		sets.leave(busy)
		var all sync.WaitGroup
		for i := range 200 { // sessions that come and go while topics are left and joined again
			all.Go(func() {
				x, err := sets.enter(t.Context(), spec(1+i%3))
				if err != nil {
					t.Error(err)
					return
				}
				sets.leave(x)
			})
			all.Go(func() { sets.expire(time.Now().Add(time.Hour)) })
		}
		all.Wait()
	})
}

// impostor signs in somebody's name, with a key of its own.
type impostor struct {
	protocol.Signer
	name p2p.PeerID
}

func (i impostor) ID() p2p.PeerID { return i.name }

// What there is no room for is dropped before its signature is verified, and what is said in
// another's name takes no room of that one.
func TestWhatThereIsNoRoomForIsNotVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 3)
		over := c.coord.sign(key, digest(1), c.peers())
		checkSignatures(t, over, cert, c.coord.run(over))
		synctest.Wait() // the session has ended
		party, mallory, alice := c.parties[0].node, c.parties[1].Host, c.parties[2].Host
		topic, _ := over.Topic()
		say := func(via p2p.PeerID, as protocol.Signer, sid protocol.SID, seq int) (unwanted, ok bool) {
			data, err := protocol.Seal(as, protocol.Header{SID: sid, Type: protocol.TypeRound, Round: 1, Seq: uint32(seq)}, nil).Encode()
			if err != nil {
				t.Fatal(err)
			}
			from, opened, ok := party.openGossip(meeting{topic: topic}, via, data)
			unwanted = opened == p2p.Unwanted
			if ok && !unwanted {
				party.receiveGossip(&set{name: topic}, p2p.Delivery{From: from, Via: via, Data: data, Opened: opened})
			}
			return unwanted, ok
		}
		unknown := func(i int) protocol.SID { return protocol.SID{1, byte(i), byte(i >> 8)} }
		for i := range 2 * earlyPerPeer {
			if unwanted, ok := say(mallory.ID(), mallory, unknown(i), 1); !ok || unwanted != (i >= earlyPerPeer) {
				t.Fatalf("message %d for sessions nobody knows: unwanted %v, fit %v; there is room for %d", i, unwanted, ok, earlyPerPeer)
			}
		}
		if unwanted, ok := say(mallory.ID(), alice, unknown(0), 1); !unwanted || !ok {
			t.Errorf("a member without room passes on what another says: unwanted %v, fit %v", unwanted, ok)
		}
		for i := range 2 * earlyPerPeer {
			if unwanted, ok := say(alice.ID(), impostor{alice, mallory.ID()}, unknown(i), 1); unwanted || ok {
				t.Fatalf("forgery %d: unwanted %v, fit %v; want it to be held against who passes it on", i, unwanted, ok)
			}
		}
		if unwanted, ok := say(alice.ID(), alice, unknown(0), 1); unwanted || !ok {
			t.Errorf("what others have said in its name has taken a member's room: unwanted %v, fit %v", unwanted, ok)
		}
		if unwanted, ok := say(alice.ID(), alice, over.SID(), 99); !unwanted || !ok {
			t.Errorf("a message for a session that has ended: unwanted %v, fit %v", unwanted, ok)
		}
	})
}
