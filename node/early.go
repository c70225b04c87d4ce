package node

import (
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what is kept for sessions that this party has not heard of yet: a
// peer's first messages may overtake the coordinator's proposal, those of all sessions
// that begin at the same time if it is slow.
const (
	earlyPerPeer      = 512 // messages, for all sessions together
	earlyBytesPerPeer = 1 << 20
	earlyBytes        = 16 << 20 // of all peers
	earlyLife         = 10 * time.Second
)

// early holds envelopes until their session begins. Those that came over a stream are
// unopened: whose session that is, is not known yet. Those of a topic are of its members,
// and were opened there. What does not fit is dropped: pulls mend it.
type early struct {
	mu      sync.Mutex
	waiting map[protocol.SID][]earlyPacket
	perPeer map[protocol.PeerID]earlyShare
	bytes   int
}

// earlyPacket has an envelope or, on a topic, a packet with the opened one.
type earlyPacket struct {
	packet
	envelope []byte
	topic    string
	since    time.Time
}

// cost is the room that a packet takes.
func (p *earlyPacket) cost() int { return p.size + packetCost }

// earlyShare is what is kept of one peer.
type earlyShare struct{ packets, bytes int }

func newEarly() *early {
	return &early{waiting: make(map[protocol.SID][]earlyPacket), perPeer: make(map[protocol.PeerID]earlyShare)}
}

// put keeps an envelope for later; it reports whether there was room.
func (e *early) put(sid protocol.SID, p earlyPacket) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	share, fits := e.with(p.from, p.cost())
	if !fits {
		return false
	}
	e.perPeer[p.from] = share
	e.bytes += p.cost()
	p.since = time.Now()
	e.waiting[sid] = append(e.waiting[sid], p)
	return true
}

// fits tells whether there is room for a packet of a peer with so many bytes.
func (e *early) fits(from protocol.PeerID, size int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, fits := e.with(from, size+packetCost)
	return fits
}

// with is a peer's share with one more packet of some cost, and whether that is allowed. The
// caller holds mu.
func (e *early) with(from protocol.PeerID, cost int) (share earlyShare, fits bool) {
	share = e.perPeer[from]
	share.packets++
	share.bytes += cost
	return share, share.packets <= earlyPerPeer && share.bytes <= earlyBytesPerPeer && e.bytes+cost <= earlyBytes
}

// take returns and forgets what came early for a session.
func (e *early) take(sid protocol.SID) []earlyPacket {
	e.mu.Lock()
	defer e.mu.Unlock()
	packets := e.waiting[sid]
	e.drop(sid)
	return packets
}

// expire forgets packets whose session did not begin in time.
func (e *early) expire(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for sid, packets := range e.waiting {
		if now.Sub(packets[0].since) > earlyLife {
			e.drop(sid)
		}
	}
}

func (e *early) drop(sid protocol.SID) {
	for _, p := range e.waiting[sid] {
		e.bytes -= p.cost()
		share := e.perPeer[p.from]
		share.packets--
		share.bytes -= p.cost()
		e.perPeer[p.from] = share
		if share.packets == 0 {
			delete(e.perPeer, p.from)
		}
	}
	delete(e.waiting, sid)
}
