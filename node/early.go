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
//
// The room is that of who has brought a packet, not of who has signed it: a member may pass on
// what another one has said in earlier sessions, as often as it likes, and would fill that
// one's room. Nor does the signer's room help out when that of who passes on is full: it would
// be filled next. So a member without room can hide what it passes on, for the signer's own
// copy, if it comes later, counts as seen. But it can do that only to what it hears itself: in
// sessions that it is a member of, where it could as well say nothing. And a pull brings what
// is hidden. Honest members pass on nothing.
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
	via      protocol.PeerID // who has brought it; empty: who it is from
	since    time.Time
}

// cost is the room that a packet takes.
func (p *earlyPacket) cost() int { return p.size + packetCost }

// payer is the peer whose room a packet takes.
func (p *earlyPacket) payer() protocol.PeerID {
	if p.via == "" {
		return p.from
	}
	return p.via
}

// earlyShare is what is kept of one peer.
type earlyShare struct{ packets, bytes int }

func newEarly() *early {
	return &early{waiting: make(map[protocol.SID][]earlyPacket), perPeer: make(map[protocol.PeerID]earlyShare)}
}

// put keeps an envelope for later; it reports whether there was room.
func (e *early) put(sid protocol.SID, p earlyPacket) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	share, fits := e.with(p.payer(), p.cost())
	if !fits {
		return false
	}
	e.perPeer[p.payer()] = share
	e.bytes += p.cost()
	p.since = time.Now()
	e.waiting[sid] = append(e.waiting[sid], p)
	return true
}

// fits tells whether there is room for a packet that a peer has brought, with so many bytes.
func (e *early) fits(via protocol.PeerID, size int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, fits := e.with(via, size+packetCost)
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
		payer := p.payer()
		share := e.perPeer[payer]
		share.packets--
		share.bytes -= p.cost()
		e.perPeer[payer] = share
		if share.packets == 0 {
			delete(e.perPeer, payer)
		}
	}
	delete(e.waiting, sid)
}
