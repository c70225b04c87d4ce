package p2p

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	relaySlots      = 1024 // reservations at once; those of one address are not limited further
	relayCircuits   = 2048 // relayed connections at once
	circuitsPerPeer = 64   // of them, those from and to one peer
	circuitBuffer   = 8 << 10
	slotLife        = 5 * time.Minute
	hopTime         = 4 * time.Second         // for a relay to agree with both ends on a circuit
	probeAfter      = 1500 * time.Millisecond // of silence, longer than pingEvery
	probeTime       = 2 * time.Second
)

// startRelay lets admitted peers meet through this node (circuit relay v2 of
// libp2p). What it passes on is encrypted between the two ends, who say their
// own hello to each other. A circuit has no limits of time and bytes: libp2p
// calls one that has them limited, and pubsub does not use it.
func (h *Host) startRelay() (err error) {
	if !h.cfg.Relay {
		return nil
	}
	h.relay, err = relay.New(&relayHost{guardedHost: h.guard},
		relay.WithACL(relayACL{h}),
		relay.WithMetricsTracer(relayMeter{h.stats}),
		relay.WithResources(relay.Resources{
			Limit:          nil,
			ReservationTTL: slotLife, MaxReservations: relaySlots, MaxCircuits: circuitsPerPeer, BufferSize: circuitBuffer,
			MaxReservationsPerIP: relaySlots, MaxReservationsPerASN: relaySlots,
		}))
	if err != nil {
		return fmt.Errorf("p2p: relay: %w", err)
	}
	return nil
}

// relayACL lets admitted peers use the relay, guests too. Streams of others do
// not get here; the other end of a circuit may be anybody.
type relayACL struct{ h *Host }

func (a relayACL) AllowReserve(p peer.ID, _ ma.Multiaddr) bool {
	_, admitted := a.h.peers.get(p)
	return admitted
}

func (a relayACL) AllowConnect(src peer.ID, _ ma.Multiaddr, dest peer.ID) bool {
	if _, admitted := a.h.peers.get(src); !admitted {
		return false
	}
	if len(a.h.peers.greeted(dest)) > 1 || !a.h.keeper.heardWithin(dest, probeAfter) {
		a.h.probe(dest, probeTime)
	}
	_, admitted := a.h.peers.get(dest)
	return admitted
}

// probe closes connections to a peer on which it does not answer in time. A
// device that has changed its network leaves one behind that looks alive, and
// that the next circuit or stream might be sent through.
func (h *Host) probe(p peer.ID, patience time.Duration) {
	conns := slices.DeleteFunc(h.peers.greeted(p), network.Conn.IsClosed)
	ctx, cancel := context.WithTimeout(h.ctx, patience)
	defer cancel()
	done := make(chan struct{}, len(conns))
	for _, c := range conns {
		h.tasks.spawn(func() {
			defer func() { done <- struct{}{} }()
			if err := h.pingOn(ctx, c); err != nil && h.ctx.Err() == nil {
				log.Infow("a connection does not answer: closing it", "peer", p.String(), "address", c.RemoteMultiaddr().String(), "error", err)
				c.Close() //nolint:errcheck // it is dead anyway
			}
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

// relayHost is the host that both ends of the relay protocol see. Its streams
// have nearer deadlines than the library's minute, during which an attempt that
// hangs would keep others from being made.
type relayHost struct{ *guardedHost }

func (r *relayHost) NewStream(ctx context.Context, p peer.ID, protocols ...protocol.ID) (network.Stream, error) {
	if !r.h.mayRelay(p) {
		return nil, fmt.Errorf("%w: relay %s is not connected", ErrUnreachable, p)
	}
	s, err := r.guardedHost.NewStream(ctx, p, protocols...)
	if err != nil {
		return nil, err
	}
	return hopStream{s}, nil
}

type hopStream struct{ network.Stream }

func (s hopStream) SetDeadline(t time.Time) error {
	if latest := time.Now().Add(hopTime); t.After(latest) {
		t = latest
	}
	return s.Stream.SetDeadline(t)
}
