package node

import (
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what is kept for sessions that this party has not heard of yet: a
// peer's first message may overtake the coordinator's proposal.
const (
	earlyPerPeer      = 64 // messages, for all sessions together
	earlyBytesPerPeer = 1 << 20
	earlyBytes        = 16 << 20 // of all peers
	earlyLife         = 10 * time.Second
)

// early holds envelopes until their session begins, unopened: whose session that
// is, is not known yet. What does not fit is dropped: pulls mend it.
type early struct {
	mu      sync.Mutex
	waiting map[protocol.SID][]earlyPacket
	perPeer map[protocol.PeerID]earlyShare
	bytes   int
}

type earlyPacket struct {
	from     protocol.PeerID
	envelope []byte
	since    time.Time
}

// earlyShare is what is kept of one peer.
type earlyShare struct{ packets, bytes int }

func newEarly() *early {
	return &early{waiting: make(map[protocol.SID][]earlyPacket), perPeer: make(map[protocol.PeerID]earlyShare)}
}

// put keeps an envelope for later; it reports whether there was room.
func (e *early) put(sid protocol.SID, from protocol.PeerID, envelope []byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	share := e.perPeer[from]
	share.packets++
	share.bytes += len(envelope)
	if share.packets > earlyPerPeer || share.bytes > earlyBytesPerPeer || e.bytes+len(envelope) > earlyBytes {
		return false
	}
	e.perPeer[from] = share
	e.bytes += len(envelope)
	e.waiting[sid] = append(e.waiting[sid], earlyPacket{from: from, envelope: envelope, since: time.Now()})
	return true
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
		e.bytes -= len(p.envelope)
		share := e.perPeer[p.from]
		share.packets--
		share.bytes -= len(p.envelope)
		e.perPeer[p.from] = share
		if share.packets == 0 {
			delete(e.perPeer, p.from)
		}
	}
	delete(e.waiting, sid)
}
