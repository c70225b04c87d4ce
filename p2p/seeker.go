package p2p

import (
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
)

const (
	maxSought    = 1024             // peers held because of their role
	soughtMemory = 10 * time.Minute // how long one is dialled that does not answer
)

// seeker holds the peers of the roles that this node stays connected to.
type seeker struct {
	h *Host

	mu    sync.Mutex
	held  map[PeerID]*sought
	woken chan struct{} // closed and replaced when a bootstrap node was met
}

type sought struct {
	role    Role
	release func()
	seen    time.Time // when it was last connected, or found
}

func newSeeker(h *Host) *seeker {
	return &seeker{h: h, held: map[PeerID]*sought{}, woken: make(chan struct{})}
}

// hint takes an address from the DHT. It tells whether the peer is new here.
func (s *seeker) hint(info peer.AddrInfo, role Role) bool {
	id := info.ID.String()
	if id == s.h.ID() {
		return false
	}
	s.h.raw.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.TempAddrTTL)
	if m, admitted := s.h.Member(id); admitted && m.Role != role {
		return false // the announcement lied
	}
	return s.hold(id, role)
}

func (s *seeker) hold(id PeerID, role Role) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[id] != nil || len(s.held) >= maxSought {
		return false
	}
	s.held[id] = &sought{role: role, release: s.h.Keep(id), seen: time.Now()}
	return true
}

// met sees every admitted member.
func (s *seeker) met(m Member) {
	if m.Role == RoleBootstrap {
		s.mu.Lock()
		close(s.woken)
		s.woken = make(chan struct{})
		s.mu.Unlock()
	}
	if slices.Contains(s.h.cfg.Seek, m.Role) {
		s.hold(m.Peer, m.Role)
	}
}

// bootstraps is closed when a bootstrap node is admitted next.
func (s *seeker) bootstraps() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.woken
}

// prune lets go of peers that are not what a hint said, or gone for long.
func (s *seeker) prune() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for id, held := range s.held {
		m, admitted := s.h.Member(id)
		if admitted {
			held.seen = now
		}
		if (admitted && m.Role != held.role) || now.Sub(held.seen) > soughtMemory {
			held.release()
			delete(s.held, id)
		}
	}
}
