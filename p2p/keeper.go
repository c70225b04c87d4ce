package p2p

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	pingEvery   = time.Second
	pingTimeout = time.Second
	pingMisses  = 2
	redialFirst = 50 * time.Millisecond
	redialLast  = 2 * time.Second
	dialTime    = 2 * time.Second // short, since a new try reaches a peer that has just come back sooner
	dialLong    = 8 * time.Second // every third try, for a peer behind a relay far away
)

// keeper stays connected to peers: it asks them whether they are alive and dials
// again with back-off.
type keeper struct {
	h *Host

	mu    sync.Mutex
	ctx   context.Context // of Run; nil before and after
	tasks sync.WaitGroup
	kept  map[PeerID]*kept
}

type kept struct {
	refs   int
	cancel context.CancelFunc // ends its goroutine; nil while there is none
}

func newKeeper(h *Host) *keeper { return &keeper{h: h, kept: map[PeerID]*kept{}} }

// Keep protects the connections to peers and, while Run runs, dials them again
// when they are lost. Calls count: a peer is kept until each release of a Keep
// that named it was called. A release may be called more than once. This node's
// own id and malformed ids are passed over.
func (h *Host) Keep(ids ...PeerID) (release func()) {
	var ours []PeerID
	for _, id := range ids {
		if id != h.ID() && ParsePeer(id) == nil {
			ours = append(ours, id)
		}
	}
	slices.Sort(ours)
	ours = slices.Compact(ours)
	for _, id := range ours {
		h.keeper.hold(id)
	}
	return sync.OnceFunc(func() {
		for _, id := range ours {
			h.keeper.release(id)
		}
	})
}

func (k *keeper) hold(id PeerID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.kept[id]
	if p == nil {
		p = &kept{}
		k.kept[id] = p
		if pid, err := parsePeer(id); err == nil {
			k.h.raw.ConnManager().Protect(pid, "kept")
		}
		k.start(id, p)
	}
	p.refs++
}

func (k *keeper) release(id PeerID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.kept[id]
	if p == nil {
		return
	}
	if p.refs--; p.refs > 0 {
		return
	}
	delete(k.kept, id)
	if p.cancel != nil {
		p.cancel()
	}
	if pid, err := parsePeer(id); err == nil {
		k.h.raw.ConnManager().Unprotect(pid, "kept")
	}
}

// start begins a peer's loop if Run runs; the caller holds mu.
func (k *keeper) start(id PeerID, p *kept) {
	if k.ctx == nil || k.ctx.Err() != nil {
		return
	}
	pid, err := parsePeer(id)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(k.ctx)
	p.cancel = cancel
	k.tasks.Go(func() {
		defer cancel()
		k.look(ctx, pid)
	})
}

// run keeps peers until ctx ends.
func (k *keeper) run(ctx context.Context) {
	k.mu.Lock()
	k.ctx = ctx
	for id, p := range k.kept {
		k.start(id, p)
	}
	k.mu.Unlock()
	<-ctx.Done()
	k.mu.Lock()
	k.ctx = nil // no start is under way, and none follows
	k.mu.Unlock()
	k.tasks.Wait()
}

// look looks after one peer.
func (k *keeper) look(ctx context.Context, p peer.ID) {
	wait := newBackoff(redialFirst, redialLast)
	misses, dials := 0, 0
	for ctx.Err() == nil {
		if _, admitted := k.h.peers.get(p); !admitted {
			misses = 0
			dials++
			dial, cancel := context.WithTimeout(ctx, dialTimeout(dials))
			err := k.h.Connect(dial, p.String())
			cancel()
			if err != nil {
				k.waitFor(ctx, p, retryAfter(err, wait.NextBackOff()))
				continue
			}
		}
		wait.Reset()
		dials = 0
		if misses = k.check(ctx, p, misses); misses == 0 {
			k.waitLost(ctx, p)
		}
	}
}

// dialTimeout is the time for the n-th dial in a row, n from 1.
func dialTimeout(n int) time.Duration {
	if n%3 == 0 {
		return dialLong
	}
	return dialTime
}

// retryAfter is a pause that is longer for a peer that refuses us.
func retryAfter(err error, pause time.Duration) time.Duration {
	if errors.Is(err, ErrNotAdmitted) {
		return max(pause, refusalMemory)
	}
	return pause
}

// check pings the peer unless it gave a sign of life lately, and closes its
// connections when it keeps silent. It returns how often the peer has missed.
func (k *keeper) check(ctx context.Context, p peer.ID, misses int) int {
	if k.heardWithin(p, pingEvery) {
		return 0
	}
	ping, cancel := context.WithTimeout(ctx, pingTimeout)
	_, err := k.h.pingOnce(ping, p)
	cancel()
	if err == nil || ctx.Err() != nil || k.heardWithin(p, pingTimeout) {
		return 0
	}
	k.h.stats.pingsMissed.Add(1)
	if misses++; misses < pingMisses {
		return misses
	}
	k.h.stats.redials.Add(1)
	log.Infow("peer does not answer: dialling again", "peer", p.String(), "error", err)
	k.h.raw.Network().ClosePeer(p) //nolint:errcheck // nothing can be done about it
	k.waitLost(ctx, p)             // the news of it comes later
	return 0
}

func (k *keeper) heardWithin(p peer.ID, d time.Duration) bool {
	st, admitted := k.h.peers.get(p)
	return admitted && time.Since(time.Unix(0, st.heard.Load())) < d
}

// waitLost waits until the next ping is due or the peer is lost.
func (k *keeper) waitLost(ctx context.Context, p peer.ID) {
	k.waitUntil(ctx, pingEvery, func() bool {
		_, admitted := k.h.peers.get(p)
		return !admitted
	})
}

// waitFor waits for a pause or until the peer has come back by itself.
func (k *keeper) waitFor(ctx context.Context, p peer.ID, pause time.Duration) {
	k.waitUntil(ctx, pause, func() bool {
		_, admitted := k.h.peers.get(p)
		return admitted
	})
}

func (k *keeper) waitUntil(ctx context.Context, d time.Duration, done func() bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		changed := k.h.peers.waitChange()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
