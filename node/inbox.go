package node

import (
	"sync"

	"golang.org/x/time/rate"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what one member may have waiting for one session, and of what is
// opened of it. An honest member has two messages a round and some
// five more in all, with at most 200 kB; and all of them once more in the answer to
// a pull.
const (
	inboxPackets = 64
	inboxBytes   = 512 << 10
	openEvery    = 64 // envelopes a second
	openBurst    = 128
)

// packet is something that a member sent, over a direct stream unless gossip.
type packet struct {
	from   protocol.PeerID
	opened *protocol.Opened // nil in a pull
	pull   *protocol.Pull
	gossip bool // it came on the session's topic instead
	size   int  // bytes on the wire
}

// inbox is what the members of a session have sent and its goroutine has not
// taken yet. Each member has room of its own, and they are heard in turn: one that
// floods crowds out nobody. What comes first is kept; what does not fit is
// dropped, and pulled again.
type inbox struct {
	ready chan struct{} // has an element when there is something to take
	room  *room         // of the members in all sessions

	mu      sync.Mutex
	members []*mailbox // of those that have sent something
	of      map[protocol.PeerID]*mailbox
	next    int // whose turn it is
	closed  bool
}

// mailbox is what is waiting of one member.
type mailbox struct {
	packets []packet
	bytes   int
	opens   *rate.Limiter
}

// newInbox returns an empty inbox. Its callers see to it that only members use it.
func newInbox(r *room) *inbox {
	return &inbox{room: r, ready: make(chan struct{}, 1), of: make(map[protocol.PeerID]*mailbox)}
}

// box returns a member's mailbox. The caller holds mu.
func (b *inbox) box(member protocol.PeerID) *mailbox {
	m := b.of[member]
	if m == nil {
		m = &mailbox{opens: rate.NewLimiter(openEvery, openBurst)}
		b.of[member], b.members = m, append(b.members, m)
	}
	return m
}

func (m *mailbox) fits(size int) bool {
	return len(m.packets) < inboxPackets && m.bytes+size <= inboxBytes
}

// mayOpen tells whether an envelope that a member sent over its stream is worth
// opening: there is room for it, here and in all sessions together, and the member
// keeps within its pace.
func (b *inbox) mayOpen(from protocol.PeerID, size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	m := b.box(from)
	return m.fits(size) && b.room.fits(from, size) && m.opens.Allow()
}

// wants tells whether an envelope that is said to be a member's, on a topic, is worth
// opening. It takes nothing of the member: whoever has passed it on may have made it up.
func (b *inbox) wants(from protocol.PeerID, size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	m := b.box(from)
	return m.fits(size) && b.room.fits(from, size) && m.opens.Tokens() >= 1
}

// put keeps a packet of a member; it reports whether there was room. One from a topic
// counts now for the member's pace.
func (b *inbox) put(p packet) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	m := b.box(p.from)
	if p.gossip {
		m.opens.Allow() // there was one: see wants
	}
	if !m.fits(p.size) || !b.room.take(p.from, p.size) {
		return false
	}
	m.packets = append(m.packets, p)
	m.bytes += p.size
	b.wake()
	return true
}

// take returns the first packet of the member whose turn it is.
func (b *inbox) take() (packet, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.members {
		m := b.members[b.next]
		b.next = (b.next + 1) % len(b.members)
		if len(m.packets) == 0 {
			continue
		}
		p := m.packets[0]
		m.packets[0] = packet{}
		m.packets = m.packets[1:]
		m.bytes -= p.size
		b.room.give(p.from, 1, p.size)
		b.wake() // there may be more
		return p, true
	}
	return packet{}, false
}

// wake says that there may be something to take. The caller holds mu.
func (b *inbox) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// close drops everything, and what comes later.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for member, m := range b.of {
		b.room.give(member, len(m.packets), m.bytes)
	}
	b.closed, b.members, b.of = true, nil, make(map[protocol.PeerID]*mailbox)
}
