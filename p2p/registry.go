package p2p

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// refusalMemory is how long a refused peer is turned away without a new hello.
const refusalMemory = 3 * time.Second

// registry knows which peers are connected and which of them are admitted. A
// peer is admitted as a whole: the transport proves its id on every connection.
type registry struct {
	mu      sync.RWMutex
	peers   map[peer.ID]*peerState
	refused map[peer.ID]refusal
	changed chan struct{} // closed and replaced at every change
	guests  int           // how many may be admitted at once
}

type peerState struct {
	conns    map[network.Conn]*connState
	admitted bool
	member   Member
	boot     uint64
	software string
	since    time.Time
	heard    *atomic.Int64 // when the peer last gave a sign of life, ns since 1970
	expiry   *time.Timer
	conduct  *conduct  // on topics
	frames   *pace     // on channels
	gossip   *pace     // on topics
	slot     time.Time // when it last got a slot on this relay
	probed   time.Time // when it was last probed for a caller
}

// connState is what is known about a connection.
type connState struct {
	boot  uint64       // that the hello on it gave, 0 before
	heard atomic.Int64 // when the last sign of life came over it, ns since 1970
}

// live tells whether the peer is admitted over a connection that is open still:
// the news of a closed one comes later. The caller holds mu.
func (st *peerState) live() bool {
	if st == nil || !st.admitted {
		return false
	}
	for c, cs := range st.conns {
		if cs.boot != 0 && !c.IsClosed() {
			return true
		}
	}
	return false
}

type refusal struct {
	err *RefusedError
	at  time.Time
}

func newRegistry(guests int) *registry {
	return &registry{peers: map[peer.ID]*peerState{}, refused: map[peer.ID]refusal{}, changed: make(chan struct{}), guests: guests}
}

// tell wakes everybody who waits for a change; the caller holds mu.
func (r *registry) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// state is the peer's, made if need be; the caller holds mu.
func (r *registry) state(p peer.ID) *peerState {
	st := r.peers[p]
	if st == nil {
		st = &peerState{conns: map[network.Conn]*connState{}, heard: new(atomic.Int64), conduct: newConduct(), frames: framePace(), gossip: gossipPace()}
		r.peers[p] = st
	}
	return st
}

func (r *registry) connected(c network.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.state(c.RemotePeer())
	if _, known := st.conns[c]; !known {
		st.conns[c] = &connState{}
	}
}

// disconnected forgets a connection, and with the last one the peer. It tells
// whether the peer was admitted and is gone now.
func (r *registry) disconnected(c network.Conn) (gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.peers[c.RemotePeer()]
	if st == nil {
		return false
	}
	delete(st.conns, c)
	defer r.tell()
	if len(st.conns) > 0 {
		return false
	}
	if st.expiry != nil {
		st.expiry.Stop()
	}
	delete(r.peers, c.RemotePeer())
	return st.admitted
}

// outdated lists the peer's connections of an earlier start than boot.
func (r *registry) outdated(p peer.ID, boot uint64) (old []network.Conn) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if st := r.peers[p]; st != nil {
		for c, cs := range st.conns {
			if cs.boot != 0 && cs.boot < boot {
				old = append(old, c)
			}
		}
	}
	return old
}

// greeted lists the peer's connections on which a hello has passed and that are open
// still: the news of a closed one comes later.
func (r *registry) greeted(p peer.ID) (conns []network.Conn) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if st := r.peers[p]; st != nil {
		for c, cs := range st.conns {
			if cs.boot != 0 && !c.IsClosed() {
				conns = append(conns, c)
			}
		}
	}
	return conns
}

// startedAnew tells whether the peer is admitted over an open connection of its start
// boot, or of a later one.
func (r *registry) startedAnew(p peer.ID, boot uint64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if st := r.peers[p]; st != nil {
		for c, cs := range st.conns {
			if cs.boot >= max(boot, 1) && !c.IsClosed() {
				return true
			}
		}
	}
	return false
}

// admit records a hello that passed on c; onExpiry is called when the
// credential ends. fresh tells whether the peer, or this start of it, was not
// admitted before. The error is ErrTooManyGuests, or ErrUnreachable when c closed
// meanwhile.
func (r *registry) admit(c network.Conn, m Member, h hello, onExpiry func()) (fresh bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.IsClosed():
		return false, ErrUnreachable
	case m.guest() && r.otherGuests(c.RemotePeer()) >= r.guests:
		return false, ErrTooManyGuests
	}
	now := time.Now()
	st := r.state(c.RemotePeer())
	cs := st.conns[c]
	if cs == nil {
		cs = &connState{}
		st.conns[c] = cs
	}
	cs.boot = max(h.Boot, 1)
	cs.heard.Store(now.UnixNano())
	if fresh = !st.admitted || st.boot != h.Boot; fresh {
		st.since = now
	}
	if h.Boot >= st.boot {
		st.member, st.boot, st.software = m, h.Boot, h.Software
	}
	st.admitted = true
	st.heard.Store(now.UnixNano())
	if st.expiry != nil {
		st.expiry.Stop()
	}
	st.expiry = time.AfterFunc(st.member.Expires.Sub(now), onExpiry)
	delete(r.refused, c.RemotePeer())
	r.tell()
	return fresh, nil
}

// otherGuests counts the guests that are admitted, apart from p; the caller
// holds mu.
func (r *registry) otherGuests(p peer.ID) (n int) {
	for id, st := range r.peers {
		if id != p && st.member.guest() && st.live() {
			n++
		}
	}
	return n
}

// isMember tells whether a peer is admitted and no guest. About a peer that it
// does not know it says no.
func (r *registry) isMember(p peer.ID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := r.peers[p]
	return st != nil && st.admitted && !st.member.guest()
}

// isGuest tells whether a peer is admitted as a guest.
func (r *registry) isGuest(p peer.ID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := r.peers[p]
	return st != nil && st.admitted && st.member.guest()
}

// keepsPace counts a topic message of a peer. It is false if the peer sends too many.
func (r *registry) keepsPace(p peer.ID, size int) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := r.peers[p]
	return st == nil || st.gossip.allow(size) && (!st.member.guest() || st.conduct.pace.Allow())
}

// heeded tells whether what a peer says on topics is looked at. About a peer that it does
// not know it says yes.
func (r *registry) heeded(p peer.ID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := r.peers[p]
	return st == nil || st.conduct.heeded()
}

// sentInvalid notes a topic message of a peer that its validator has refused.
func (r *registry) sentInvalid(p peer.ID) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if st := r.peers[p]; st != nil {
		st.conduct.invalid.Allow() // it takes what is left
	}
}

// offend notes a bad message of a peer. It is true once, when a guest has sent too
// many.
func (r *registry) offend(p peer.ID) (enough bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := r.peers[p]
	return st != nil && st.admitted && st.member.guest() && st.conduct.offend()
}

// refuse remembers a failed hello for a moment.
func (r *registry) refuse(p peer.ID, err *RefusedError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(r.refused, func(_ peer.ID, old refusal) bool { return now.Sub(old.at) > refusalMemory })
	r.refused[p] = refusal{err: err, at: now}
	r.tell()
}

// lately is a refusal of a moment ago, or nil.
func (r *registry) lately(p peer.ID) *RefusedError {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.latelyLocked(p)
}

func (r *registry) latelyLocked(p peer.ID) *RefusedError {
	if old, found := r.refused[p]; found && time.Since(old.at) <= refusalMemory {
		return old.err
	}
	return nil
}

// await waits until the peer is admitted. Its errors are a RefusedError,
// ErrUnreachable when the peer has no connection (any more), or the context's.
func (r *registry) await(ctx context.Context, p peer.ID, connected func() bool) error {
	for {
		r.mu.RLock()
		st, changed, lately := r.peers[p], r.changed, r.latelyLocked(p)
		admitted := st.live()
		r.mu.RUnlock()
		switch {
		case admitted:
			return nil
		case lately != nil:
			return lately
		case !connected():
			return fmt.Errorf("%w: %s closed the connection before the hello", ErrUnreachable, p)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: no hello from %s: %w", ErrUnreachable, p, context.Cause(ctx))
		}
	}
}

// heardFrom notes a sign of life that came over any connection.
func (r *registry) heardFrom(p peer.ID) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if st := r.peers[p]; st != nil {
		st.heard.Store(time.Now().UnixNano())
	}
}

// get is what is known about an admitted peer.
func (r *registry) get(p peer.ID) (peerState, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := r.peers[p]
	if !st.live() {
		return peerState{}, false
	}
	return *st, true
}

// all lists the admitted peers.
func (r *registry) all() map[peer.ID]peerState {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make(map[peer.ID]peerState, len(r.peers))
	for p, st := range r.peers {
		if st.live() {
			out[p] = *st
		}
	}
	return out
}

// waitChange is closed at the next change.
func (r *registry) waitChange() <-chan struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.changed
}

// stop ends the timers.
func (r *registry) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, st := range r.peers {
		if st.expiry != nil {
			st.expiry.Stop()
		}
	}
}
