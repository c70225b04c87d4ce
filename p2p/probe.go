package p2p

import (
	"context"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multistream"
)

const (
	probeAfter = 1500 * time.Millisecond // of silence, longer than pingEvery
	probeTime  = 2 * time.Second
	probeEvery = 5 * time.Second  // for callers, whoever they are
	probeSpare = 10 * time.Second // after a sign of life no caller's probe ends a connection
)

// probe closes connections to a peer on which it does not answer in time, but
// none on which it was heard within the time to spare. A device that has changed
// its network leaves one behind that looks alive, and that the next circuit or
// stream might be sent through.
func (h *Host) probe(p peer.ID, patience, spare time.Duration) {
	conns := h.peers.greeted(p)
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	done := make(chan struct{}, len(conns))
	for _, c := range conns {
		h.tasks.spawn(func() {
			defer func() { done <- struct{}{} }()
			err := h.pingOn(ctx, c)
			if err == nil || h.ctx.Err() != nil || time.Since(h.peers.lastOn(c)) < spare {
				return
			}
			log.Infow("a connection does not answer: closing it", "peer", p.String(), "address", c.RemoteMultiaddr().String(), "error", err)
			c.Close() //nolint:errcheck // it is dead anyway
		})
	}
	for range conns {
		select {
		case <-done:
		case <-h.ctx.Done():
			return
		}
	}
}

// probeFor probes a silent peer that somebody wants a circuit to, and that might
// be gone. A peer that is slow for a while must not suffer from being called: it
// is asked now and then, and what has answered lately is left alone.
func (h *Host) probeFor(p peer.ID) {
	if !h.keeper.heardWithin(p, probeAfter) && h.peers.mayProbe(p) {
		h.probe(p, probeTime, probeSpare)
	}
}

// mayProbe tells whether a peer has a slot on this relay, and was not probed
// lately; it is counted as probed now.
func (r *registry) mayProbe(p peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	st, now := r.peers[p], time.Now()
	if st == nil || now.Sub(st.slot) > slotLife || now.Sub(st.probed) < probeEvery {
		return false
	}
	st.probed = now
	return true
}

// giveSlot notes that an admitted peer gets a slot; others get none.
func (r *registry) giveSlot(p peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.peers[p]
	if !st.live() {
		return false
	}
	st.slot = time.Now()
	return true
}

// heardOn notes a sign of life that came over a connection.
func (r *registry) heardOn(c network.Conn) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := r.peers[c.RemotePeer()]
	if st == nil {
		return
	}
	now := time.Now().UnixNano()
	st.heard.Store(now)
	if cs := st.conns[c]; cs != nil {
		cs.heard.Store(now)
	}
}

// lastOn is when the last sign of life came over a connection.
func (r *registry) lastOn(c network.Conn) time.Time {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if st := r.peers[c.RemotePeer()]; st != nil && st.conns[c] != nil {
		return time.Unix(0, st.conns[c].heard.Load())
	}
	return time.Time{}
}

// freshest is the connection to a peer over which it was heard last, and whether
// there are several to choose from.
func (r *registry) freshest(p peer.ID) (best network.Conn, several bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	st := r.peers[p]
	if st == nil {
		return nil, false
	}
	for c, cs := range st.conns {
		if cs.boot == 0 || c.IsClosed() {
			continue
		}
		several = best != nil
		if best == nil || cs.heard.Load() > st.conns[best].heard.Load() {
			best = c
		}
	}
	return best, several
}

// openOn opens a stream on one connection, which host.NewStream does not promise.
// The protocol's name travels with the first bytes.
func openOn(ctx context.Context, c network.Conn, id protocol.ID) (network.Stream, error) {
	s, err := c.NewStream(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.SetProtocol(id); err != nil {
		s.Reset() //nolint:errcheck // nothing can be done about it
		return nil, err
	}
	return lazyStream{s, multistream.NewMSSelect(s, id)}, nil
}

// lazyStream negotiates its protocol with its first bytes. It is written to before
// it is closed.
type lazyStream struct {
	network.Stream
	rw io.ReadWriter
}

func (s lazyStream) Read(b []byte) (int, error)  { return s.rw.Read(b) }
func (s lazyStream) Write(b []byte) (int, error) { return s.rw.Write(b) }
