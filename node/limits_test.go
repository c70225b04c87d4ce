package node

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestOneMemberCannotFillTheInbox(t *testing.T) {
	b := newInbox(new(room))
	kept := 0
	for range 10 * inboxPackets {
		if b.put(packet{from: "mallory", size: 1}) {
			kept++
		}
	}
	if kept != inboxPackets {
		t.Errorf("%d packets of one member are kept, want %d", kept, inboxPackets)
	}
	for i := range 3 {
		if !b.put(packet{from: "alice", size: i}) || !b.put(packet{from: "bob", size: i}) {
			t.Error("another member's packet was refused")
		}
	}
	var order []string // in turn, though most of what is there is one member's
	for range 9 {
		<-b.ready
		p, any := b.take()
		if !any {
			t.Fatal("it is empty")
		}
		order = append(order, fmt.Sprint(p.from, p.size))
	}
	if got, want := strings.Join(order, " "), "mallory1 alice0 bob0 mallory1 alice1 bob1 mallory1 alice2 bob2"; got != want {
		t.Errorf("taken in the order %s, want %s", got, want)
	}
	b.close()
	if _, any := b.take(); any || b.put(packet{from: "alice"}) || b.mayOpen("alice", 1) {
		t.Error("a closed inbox takes or gives something")
	}
}

// What one peer has waiting is bounded over all sessions, and what was taken or
// belongs to a session that has ended occupies no room.
func TestOnePeerCannotFillTheRoomOfAllSessions(t *testing.T) {
	var (
		all     room
		inboxes []*inbox
		bytes   int
	)
	for range DefaultMaxSessions {
		b := newInbox(&all)
		for b.put(packet{from: "mallory", size: protocol.MaxEnvelope}) {
			bytes += protocol.MaxEnvelope
		}
		if !b.put(packet{from: "alice", size: 1 << 10}) || !b.mayOpen("alice", 1<<10) {
			t.Fatal("another peer has no room")
		}
		inboxes = append(inboxes, b)
	}
	if bytes > roomPerPeer || bytes < roomPerPeer-2*protocol.MaxEnvelope {
		t.Errorf("%d bytes of one peer are kept, want almost %d", bytes, roomPerPeer)
	}
	last := newInbox(&all)
	if last.mayOpen("mallory", protocol.MaxEnvelope) {
		t.Error("what has no room is opened")
	}
	if _, any := inboxes[0].take(); !any || !last.mayOpen("mallory", protocol.MaxEnvelope) || !last.put(packet{from: "mallory", size: protocol.MaxEnvelope}) {
		t.Error("what was taken still occupies room")
	}
	for _, b := range append(inboxes, last) {
		b.close()
		b.close()
	}
	small := newInbox(&all)
	for small.put(packet{from: "mallory"}) { // packets cost something, whatever is in them
	}
	if got := all.used["mallory"]; len(all.used) != 1 || got != inboxPackets*packetCost {
		t.Errorf("%d bytes of room are taken, by %d peers", got, len(all.used))
	}
	for _, any := small.take(); any; _, any = small.take() {
	}
	if len(all.used) != 0 {
		t.Errorf("room is taken when nothing waits: %v", all.used)
	}
}

func TestAnInboxIsBoundedInBytes(t *testing.T) {
	b := newInbox(new(room))
	bytes := 0
	for b.put(packet{from: "mallory", size: protocol.MaxEnvelope}) {
		bytes += protocol.MaxEnvelope
	}
	if bytes > inboxBytes || bytes < inboxBytes-protocol.MaxEnvelope || b.mayOpen("mallory", protocol.MaxEnvelope) {
		t.Errorf("%d bytes of one member are kept, want almost %d", bytes, inboxBytes)
	}
	if _, any := b.take(); !any || !b.mayOpen("mallory", protocol.MaxEnvelope) || !b.put(packet{from: "mallory", size: protocol.MaxEnvelope}) {
		t.Error("what was taken still occupies room")
	}
}

func TestEnvelopesOfOneMemberAreOpenedAtABoundedPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInbox(new(room))
		opened := 0
		for range 1000 {
			if b.mayOpen("mallory", 1) {
				opened++
			}
			time.Sleep(time.Millisecond)
		}
		if opened < openBurst+openEvery-2 || opened > openBurst+openEvery || !b.mayOpen("alice", 1) {
			t.Errorf("%d envelopes are opened in a second, want %d", opened, openBurst+openEvery)
		}
	})
}

// second is another coordinator of the network.
func (c *cluster) second() *scripted {
	c.tb.Helper()
	node := c.net.Add(p2p.RoleCoordinator)
	s := newScripted(c.tb, node.Host, c.net.Name, c.coord.approver)
	s.node = node
	node.Start()
	for _, p := range c.parties {
		c.net.Mesh(node, p.Node)
	}
	return s
}

// A coordinator that starts sessions without end has 64 of them, and those of
// another one go on.
func TestOneCoordinatorCannotTakeAllSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		other, party := c.second(), c.peers(0)[0]
		var waiting []*protocol.Spec // no other member is asked
		for range MaxSessionsPerCoordinator {
			spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
			if a := c.coord.answer(party, spec); a.Code != "" {
				t.Fatalf("session %d: %+v", len(waiting), a)
			}
			waiting = append(waiting, spec)
		}
		late := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		if a := c.coord.answer(party, late); a.Code != protocol.CodeBusy || !strings.Contains(a.Detail, "64 sessions of coordinator "+c.coord.host.ID()) {
			t.Errorf("one too many: %+v", a)
		}
		certificate(t, other.run(other.keygen(protocol.EdDSA, 2, c.peers())))
		c.coord.send(party, protocol.Frame{Cancel: &protocol.Cancel{SID: waiting[0].SID(), Reason: "room is needed"}})
		c.coord.awaitFailure(waiting[0].SID(), party)
		synctest.Wait()
		certificate(t, c.coord.run(late))
	})
}

func TestRefusalsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		p, from := c.parties[0], c.coord.host.ID()
		c.net.Sim.Isolate(c.coord.node.Index, true)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 20 { // more than any window of the transport: it reads no answers
			go p.Send(ctx, from, protocol.ChannelDispatch, make([]byte, maxFrame)) //nolint:errcheck // it is never read
		}
		synctest.Wait()
		for range 10 * refusalsPerPeer {
			spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
			spec.Coordinator = "another"
			p.node.propose(from, proposal{spec: spec})
		}
		refusals := 0
		for _, name := range p.node.jobs.Running() {
			if strings.HasPrefix(name, "refuse ") {
				refusals++
			}
		}
		if refusals != refusalsPerPeer {
			t.Errorf("%d refusals are on their way to one coordinator, want %d", refusals, refusalsPerPeer)
		}
		time.Sleep(sendLimit + time.Second)
		synctest.Wait()
		p.node.mu.Lock()
		defer p.node.mu.Unlock()
		if len(p.node.refusing) != 0 {
			t.Errorf("refusals are still counted: %v", p.node.refusing)
		}
	})
}

func TestPeersHaveAPaceEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaces(10, 20)
		allowed := 0
		for range 100 {
			if p.allow("mallory") {
				allowed++
			}
		}
		if allowed != 20 || !p.allow("alice") {
			t.Errorf("%d at once, want 20", allowed)
		}
		for i := range 2 * maxPaces {
			p.allow(fmt.Sprint("peer ", i))
			time.Sleep(time.Second)
		}
		if len(p.of) > maxPaces {
			t.Errorf("%d peers are remembered", len(p.of))
		}
	})
}

// What a member says on a topic is opened at a pace, with what it says over its stream, however
// fast its session takes it; and what others say in its name does not count.
func TestAMembersPaceOnATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newInbox(new(room))
		for range 10 * openBurst {
			if !b.wants("mallory", 1) {
				t.Fatal("what may be somebody else's has used up a member's pace")
			}
		}
		opened := 0
		for b.wants("mallory", 1) && opened < 10*openBurst {
			if !b.put(packet{from: "mallory", size: 1, gossip: true}) {
				t.Fatal("a packet was wanted, and not kept")
			}
			b.take()
			opened++
		}
		if opened != openBurst || b.mayOpen("mallory", 1) || !b.wants("alice", 1) {
			t.Errorf("%d messages of one member are opened at once, want %d", opened, openBurst)
		}
		time.Sleep(time.Second)
		if !b.wants("mallory", 1) {
			t.Error("a member is not heard again")
		}
		b.close()
		if b.wants("alice", 1) {
			t.Error("a closed inbox wants something")
		}
	})
}
