package p2p

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/fx"
)

// newLibp2p makes the libp2p host, which listens nowhere yet: nobody can come
// in before the hello and the guards stand.
func (h *Host) newLibp2p() (raw host.Host, upgrader transport.Upgrader, err error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(h.cfg.Identity)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: identity: %w", ErrConfig, err)
	}
	resources, err := resourceManager()
	if err != nil {
		return nil, nil, fmt.Errorf("p2p: resource manager: %w", err)
	}
	conns, err := connectionManager()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("p2p: connection manager: %w", err), resources.Close())
	}
	options := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.UserAgent("mpcd/" + h.cfg.Software),
		libp2p.Transport(quic.NewTransport),
		// With SO_REUSEPORT two daemons would share a TCP port without a word.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(conns),
		libp2p.ConnectionGater(&gater{peers: h.peers}),
		libp2p.AddrsFactory(func(listening []ma.Multiaddr) []ma.Multiaddr {
			return slices.Concat(listening, h.conf.announce, h.slots.addrs())
		}),
		// libp2p's own would take relayed connections before the hello: see
		// startCircuits.
		libp2p.DisableRelay(),
		libp2p.WithFxOption(fx.Populate(&upgrader)),
		libp2p.DisableMetrics(),
		libp2p.Ping(false), // ours tells more: it needs an admitted peer
		// What others observe is not used: members say where they listen. It also
		// stalls under virtual time.
		libp2p.DisableIdentifyAddressDiscovery(),
		// These detectors give up dialling a transport after failures, which here
		// are peers that are down and will come back.
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
	}
	if h.cfg.Simulated != nil {
		options = append(options, h.cfg.Simulated()...)
	}
	if raw, err = libp2p.New(options...); err != nil {
		return nil, nil, fmt.Errorf("p2p: %w", err)
	}
	return raw, upgrader, nil
}

// listen opens every address, or none and says which one failed.
func listen(h host.Host, addrs []ma.Multiaddr) error {
	sw, ok := h.Network().(*swarm.Swarm)
	if !ok {
		return fmt.Errorf("%w: unexpected network type %T", ErrListen, h.Network())
	}
	for _, a := range addrs {
		switch err := sw.AddListenAddr(a); {
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("%w on %s: another process uses this port; stop it or choose another address: %w", ErrListen, a, err)
		case err != nil:
			return fmt.Errorf("%w on %s: %w", ErrListen, a, err)
		}
	}
	return nil
}

// clearBackoff lets the next dial try addresses that failed a moment ago: our
// own back-off decides when to dial, and the swarm's waits 5 s at least.
func (h *Host) clearBackoff(id PeerID) {
	p, err := parsePeer(id)
	if sw, ok := h.raw.Network().(*swarm.Swarm); ok && err == nil {
		sw.Backoff().Clear(p)
	}
}

func loopback() []rate.PrefixLimit {
	return []rate.PrefixLimit{
		{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
		{Prefix: netip.MustParsePrefix("::1/128")},
	}
}
