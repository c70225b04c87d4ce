package node

import (
	"sync"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what one peer may have waiting in all sessions of this node together. An
// honest one has little there, however many its sessions are: what waits is what
// has come since a ceremony looked last.
const (
	roomPerPeer = 8 << 20 // bytes
	packetCost  = 512     // bytes that a packet takes on top of those that came
)

// room is a budget of bytes for each peer. The zero room is ready for use.
type room struct {
	mu   sync.Mutex
	used map[protocol.PeerID]int
}

// fits tells whether a peer has room for a packet of so many bytes.
func (r *room) fits(peer protocol.PeerID, size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used[peer]+size+packetCost <= roomPerPeer
}

// take takes room for a packet, if there is some.
func (r *room) take(peer protocol.PeerID, size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used[peer]+size+packetCost > roomPerPeer {
		return false
	}
	if r.used == nil {
		r.used = make(map[protocol.PeerID]int)
	}
	r.used[peer] += size + packetCost
	return true
}

// give gives back the room of packets with so many bytes in all.
func (r *room) give(peer protocol.PeerID, packets, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used[peer] -= size + packets*packetCost; r.used[peer] <= 0 {
		delete(r.used, peer)
	}
}
