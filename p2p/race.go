package p2p

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// headStart is how long known addresses are tried before the DHT and the relays
// are asked as well.
const headStart = 300 * time.Millisecond

// way is one way to connect to a peer.
type way func(context.Context, peer.ID) error

// race connects to a peer in all ways at once and returns the first success or
// refusal, or else the error of the way that says most. Whichever way finds an
// address, libp2p makes one dial of them all.
func (h *Host) race(ctx context.Context, p peer.ID) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	known := make(chan struct{}) // closed when the known addresses have had their turn
	ways := []way{h.afterKnown(known, h.dialThroughRelays)}
	if h.dht != nil {
		ways = append(ways, h.afterKnown(known, h.dialFound))
	}
	ways = append(ways, func(ctx context.Context, p peer.ID) error {
		defer close(known)
		return h.dialKnown(ctx, p)
	})
	type end struct {
		way int
		err error
	}
	ends := make(chan end, len(ways))
	for i, dial := range ways {
		h.tasks.spawn(func() { ends <- end{i, dial(ctx, p)} })
	}
	best := end{way: -1}
	for range ways {
		select {
		case e := <-ends:
			if e.err == nil || errors.Is(e.err, ErrNotAdmitted) {
				return e.err
			}
			if e.way > best.way && !errors.Is(e.err, errNoAddress) {
				best = e
			}
		case <-h.ctx.Done():
			return fmt.Errorf("host %w", ErrClosed)
		}
	}
	if best.err == nil {
		return fmt.Errorf("%s: %w and no bootstrap node is configured", p, errNoAddress)
	}
	return best.err
}

// errNoAddress says that a way leads nowhere.
var errNoAddress = fmt.Errorf("%w: no address is known", ErrUnreachable)

// afterKnown lets a way wait until the known addresses have failed or have had
// their head start.
func (h *Host) afterKnown(known <-chan struct{}, dial way) way {
	return func(ctx context.Context, p peer.ID) error {
		if !h.pauseUntil(ctx, headStart, known) {
			return fmt.Errorf("%w: %s: %w", ErrUnreachable, p, context.Cause(ctx))
		}
		return dial(ctx, p)
	}
}

// dialKnown dials what is known from before, unless that leads through relays
// only: those are tried in any case.
func (h *Host) dialKnown(ctx context.Context, p peer.ID) error {
	direct := h.raw.Network().Connectedness(p) == network.Connected
	for _, a := range h.raw.Peerstore().Addrs(p) {
		direct = direct || !isCircuit(a)
	}
	if !direct {
		return errNoAddress
	}
	return h.guard.Connect(ctx, peer.AddrInfo{ID: p})
}

// dialFound dials what the DHT knows: the peer may have moved.
func (h *Host) dialFound(ctx context.Context, p peer.ID) error {
	info, err := h.dht.FindPeer(ctx, p)
	if err != nil {
		return fmt.Errorf("%w: the DHT does not know %s: %w", ErrUnreachable, p, err)
	}
	h.clearBackoff(p.String())
	return h.guard.Connect(ctx, info)
}
