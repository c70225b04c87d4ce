package p2p

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	slotRenewal = time.Minute // well before slotLife
	slotRetry   = 10 * time.Second
)

var circuitAddr = ma.StringCast(circuitPart)

func isCircuit(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_CIRCUIT)
	return err == nil
}

// startCircuits lets this node dial through relays and, if it uses them, be
// dialled. Only bootstrap nodes are believed when they say that somebody calls,
// which is no more than a new connection, with its own handshake and hello.
func (h *Host) startCircuits(upgrader transport.Upgrader) error {
	relays := &guardedHost{Host: h.raw, h: h, allow: func(m Member) bool { return m.Role == RoleBootstrap }}
	h.slots.host = &relayHost{guardedHost: relays}
	h.rememberBootstrap()
	c, err := client.New(h.slots.host, upgrader)
	if err != nil {
		return fmt.Errorf("p2p: relayed connections: %w", err)
	}
	sw, ok := h.raw.Network().(*swarm.Swarm)
	if !ok {
		return fmt.Errorf("p2p: relayed connections: unexpected network type %T", h.raw.Network())
	}
	if err = sw.AddTransport(circuits{c}); err == nil && h.usesRelays() {
		err = sw.Listen(circuitAddr)
		c.Start()
	}
	if err != nil {
		return fmt.Errorf("p2p: relayed connections: %w", err)
	}
	return nil
}

// circuits is the transport. Its listener ends with the word that the swarm takes
// for a good end, which the library's says only sometimes.
type circuits struct{ *client.Client }

func (t circuits) Listen(a ma.Multiaddr) (transport.Listener, error) {
	l, err := t.Client.Listen(a)
	return circuitListener{l}, err
}

type circuitListener struct{ transport.Listener }

func (l circuitListener) Accept() (transport.CapableConn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", transport.ErrListenerClosed, err)
	}
	return c, nil
}

func (h *Host) usesRelays() bool { return h.cfg.UseRelays || h.conf.self.guest() }

// slots are the relays that this node knows, and those that hold a slot for it:
// a reservation, which lets others call it through them.
type slots struct {
	host   host.Host                  // fit for relay protocols
	relays []peer.ID                  // the bootstrap nodes
	via    map[peer.ID][]ma.Multiaddr // this node's addresses through each relay

	mu   sync.Mutex
	held map[peer.ID]bool
}

func newSlots(conf parsed) *slots {
	s := &slots{via: map[peer.ID][]ma.Multiaddr{}, held: map[peer.ID]bool{}}
	for _, info := range conf.bootstrap {
		if info.ID == conf.id {
			continue
		}
		if !slices.Contains(s.relays, info.ID) {
			s.relays = append(s.relays, info.ID)
		}
		for _, a := range info.Addrs {
			circuit := ma.StringCast("/p2p/" + info.ID.String() + circuitPart)
			s.via[info.ID] = append(s.via[info.ID], a.Encapsulate(circuit))
		}
	}
	return s
}

// addrs are this node's addresses through relays.
func (s *slots) addrs() (out []ma.Multiaddr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, relay := range s.relays {
		if s.held[relay] {
			out = append(out, s.via[relay]...)
		}
	}
	return out
}

func (s *slots) set(relay peer.ID, held bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = s.held[relay] != held
	s.held[relay] = held
	return changed
}

// reserve holds a slot on one relay until ctx ends. A relay drops it with the
// last connection of the peer that it is for.
func (h *Host) reserve(ctx context.Context, relay peer.ID) {
	wait := newBackoff(retryFirst, slotRetry)
	for ctx.Err() == nil {
		conns := h.peers.greeted(relay)
		if len(conns) == 0 {
			h.slots.set(relay, false)
			h.keeper.waitUntil(ctx, slotRetry, func() bool { return len(h.peers.greeted(relay)) > 0 })
			continue
		}
		err := h.reserveOnce(ctx, relay)
		if h.slots.set(relay, err == nil) && err == nil {
			log.Infow("reachable through a relay", "relay", relay.String())
		}
		if err != nil {
			log.Debugw("no slot on a relay", "relay", relay.String(), "error", err)
			h.pause(ctx, wait.NextBackOff())
			continue
		}
		wait.Reset()
		h.keeper.waitUntil(ctx, slotRenewal, func() bool {
			return !slices.ContainsFunc(conns, func(c network.Conn) bool { return !c.IsClosed() })
		})
	}
	h.slots.set(relay, false)
}

func (h *Host) reserveOnce(ctx context.Context, relay peer.ID) error {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	_, err := client.Reserve(ctx, &abortable{Host: h.slots.host, ctx: ctx}, peer.AddrInfo{ID: relay})
	return err
}

// abortable ends its streams with a context.
type abortable struct {
	host.Host
	ctx context.Context
}

func (a *abortable) NewStream(ctx context.Context, p peer.ID, protocols ...protocol.ID) (network.Stream, error) {
	s, err := a.Host.NewStream(ctx, p, protocols...)
	if err == nil {
		context.AfterFunc(a.ctx, func() { s.Reset() }) //nolint:errcheck // whoever uses it sees it
	}
	return s, err
}

// dialThroughRelays tries to reach a peer through the bootstrap nodes that are
// connected, waiting for the first one, and through the relays of which the peer
// itself or a hint has told.
func (h *Host) dialThroughRelays(ctx context.Context, p peer.ID) error {
	hinted := slices.ContainsFunc(h.raw.Peerstore().Addrs(p), isCircuit)
	if !hinted && !slices.ContainsFunc(h.slots.relays, func(r peer.ID) bool { return r != p }) {
		return errNoAddress
	}
	info := peer.AddrInfo{ID: p}
	choose := func() bool {
		for _, relay := range h.slots.relays {
			if relay != p && h.mayRelay(relay) {
				info.Addrs = append(info.Addrs, ma.StringCast("/p2p/"+relay.String()+circuitPart))
			}
		}
		return len(info.Addrs) > 0
	}
	if !choose() && !hinted {
		h.keeper.waitUntil(ctx, helloTimeout, choose)
	}
	return h.guard.Connect(ctx, info)
}

// mayRelay is false for a bootstrap node that is not connected now: the keeper
// dials it, and an attempt through it would hold up those through others.
func (h *Host) mayRelay(relay peer.ID) bool {
	_, admitted := h.peers.get(relay)
	return admitted || !h.running.Load() || !slices.Contains(h.slots.relays, relay)
}

// rememberBootstrap keeps the addresses of the bootstrap nodes, which do not age.
func (h *Host) rememberBootstrap() {
	for _, info := range h.conf.bootstrap {
		if info.ID != h.conf.id {
			h.raw.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.PermanentAddrTTL)
		}
	}
}
