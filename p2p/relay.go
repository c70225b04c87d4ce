package p2p

import (
	"context"
	"fmt"
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
	hopTime         = 4 * time.Second // for a relay to agree with both ends on a circuit
)

// startRelay lets admitted peers meet through this node (circuit relay v2 of
// libp2p). What it passes on is encrypted between the two ends, who say their
// own hello to each other. libp2p's own limits of a circuit's time and bytes stay
// unset, since pubsub does not use a circuit that has them: see ledger.
func (h *Host) startRelay() (err error) {
	if !h.cfg.Relay {
		return nil
	}
	h.ledger = newLedger(h)
	h.relay, err = relay.New(&servingHost{&relayHost{guardedHost: h.guard}},
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
	return a.h.peers.giveSlot(p)
}

func (a relayACL) AllowConnect(src peer.ID, _ ma.Multiaddr, dest peer.ID) bool {
	if _, admitted := a.h.peers.get(src); !admitted || !a.h.ledger.mayCall(src, dest) {
		return false
	}
	a.h.probeFor(dest)
	_, admitted := a.h.peers.get(dest)
	return admitted
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
