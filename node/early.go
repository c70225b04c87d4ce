package node

import (
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what is kept for sessions that this party has not heard of yet: a
// peer's first message may overtake the coordinator's proposal.
const (
	earlyPerPeer = 64
	earlyBytes   = 8 << 20
	earlyLife    = 10 * time.Second
)

// packet is something another member sent, over a direct stream unless gossip.
type packet struct {
	from     protocol.PeerID
	envelope []byte
	pull     *protocol.Pull
	gossip   bool // it came on the session's topic instead
}

// early holds packets until their session begins. What does not fit is dropped:
// pulls mend it.
type early struct {
	mu      sync.Mutex
	waiting map[protocol.SID][]earlyPacket
	perPeer map[protocol.PeerID]int
	bytes   int
}

type earlyPacket struct {
	packet
	since time.Time
}

func newEarly() *early {
	return &early{waiting: make(map[protocol.SID][]earlyPacket), perPeer: make(map[protocol.PeerID]int)}
}

// put keeps an envelope for later; it reports whether there was room.
func (e *early) put(sid protocol.SID, p packet) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.perPeer[p.from] >= earlyPerPeer || e.bytes+len(p.envelope) > earlyBytes {
		return false
	}
	e.perPeer[p.from]++
	e.bytes += len(p.envelope)
	e.waiting[sid] = append(e.waiting[sid], earlyPacket{packet: p, since: time.Now()})
	return true
}

// take returns and forgets what came early for a session.
func (e *early) take(sid protocol.SID) []packet {
	e.mu.Lock()
	defer e.mu.Unlock()
	packets := make([]packet, 0, len(e.waiting[sid]))
	for _, p := range e.waiting[sid] {
		packets = append(packets, p.packet)
	}
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
		e.bytes -= len(p.envelope)
		if e.perPeer[p.from]--; e.perPeer[p.from] == 0 {
			delete(e.perPeer, p.from)
		}
	}
	delete(e.waiting, sid)
}
