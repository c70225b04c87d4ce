package p2p

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p-kad-dht/records"
	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/routing"
)

const (
	dhtRefresh    = 30 * time.Second
	recordLife    = 10 * time.Minute // of an announcement
	announceEvery = time.Minute      // early, because the nodes that hold it restart
	lookupTime    = 10 * time.Second
	retryFirst    = 20 * time.Millisecond
	retryLast     = 2 * time.Second
	seekFirst     = 100 * time.Millisecond
	seekSteady    = 5 * time.Second
)

// startDHT makes the network's private DHT. Its values are off: it holds nothing
// but who announced which role, and those are hints. Every node is a server, on
// private and loopback addresses too.
func (h *Host) startDHT() (err error) {
	h.dht, err = dht.New(&guardedHost{Host: h.raw, h: h, allow: func(m Member) bool { return !m.guest() }},
		dht.ProtocolPrefix(protocol.ID("/mpc/"+h.cfg.Network)),
		dht.Mode(dht.ModeServer),
		dht.DisableValues(),
		// A peer that is not admitted yet may pass; it is asked for an answer before
		// it enters the table, and the guard keeps a guest from giving one.
		dht.RoutingTableFilter(func(_ any, p peer.ID) bool { return !h.peers.isGuest(p) }),
		dht.QueryFilter(func(_ any, info peer.AddrInfo) bool { return !h.peers.isGuest(info.ID) }),
		dht.BootstrapPeersFunc(func() []peer.AddrInfo {
			if !h.running.Load() {
				return nil // it would dial them at once
			}
			return h.conf.bootstrap
		}),
		dht.RoutingTableRefreshPeriod(dhtRefresh),
		dht.ProviderManagerOpts(records.ProvideValidity(recordLife)),
	)
	if err != nil {
		return fmt.Errorf("p2p: DHT: %w", err)
	}
	return nil
}

// rendezvous is where members of a role announce themselves.
func (h *Host) rendezvous(role Role) string {
	return "/mpc/" + h.cfg.Network + "/role/" + string(role)
}

func newBackoff(first, last time.Duration) *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: first, Multiplier: 1.6, RandomizationFactor: 0.3, MaxInterval: last}
}

// announce keeps this node findable by its role. An announcement made before
// any peer is known fails, and is tried again at every change.
func (h *Host) announce(ctx context.Context) {
	finder := routing.NewRoutingDiscovery(h.dht)
	wait := newBackoff(retryFirst, retryLast)
	for {
		wake := h.seeker.bootstraps()
		attempt, cancel := context.WithTimeout(ctx, lookupTime)
		_, err := finder.Advertise(attempt, h.rendezvous(h.conf.self.Role))
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h.pause(ctx, wait.NextBackOff())
			continue
		}
		wait.Reset()
		// A restarted bootstrap node has lost what it held.
		if !h.pauseUntil(ctx, announceEvery, wake) {
			return
		}
	}
}

// seek finds the members of a role and has them kept, often at first.
func (h *Host) seek(ctx context.Context, role Role) {
	finder := routing.NewRoutingDiscovery(h.dht)
	wait := newBackoff(seekFirst, seekSteady)
	for ctx.Err() == nil {
		wake := h.seeker.bootstraps()
		attempt, cancel := context.WithTimeout(ctx, lookupTime)
		found, err := finder.FindPeers(attempt, h.rendezvous(role), discovery.Limit(0))
		if err == nil {
			for info := range found {
				if len(info.Addrs) > 0 && h.seeker.hint(info, role) {
					wait.Reset()
				}
			}
		}
		cancel()
		h.seeker.prune()
		if !h.pauseUntil(ctx, wait.NextBackOff(), wake) {
			return
		}
	}
}

// pause waits, or less when ctx ends.
func (h *Host) pause(ctx context.Context, d time.Duration) { h.pauseUntil(ctx, d, nil) }

// pauseUntil waits for the duration or until wake is closed. It is false when
// ctx has ended.
func (h *Host) pauseUntil(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
