package p2p

import (
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/x/rate"
)

// Connections. The watermarks lie above any pool that is run today: trimming a
// session's peer would cost an attempt.
const (
	connsLow     = 2048
	connsHigh    = 4096
	connsPerIP   = 2048 // many nodes share an address behind a gateway or on one machine
	connsPerPeer = 16
	streamsPeer  = 2048
	streamsTotal = 1 << 17
	connGrace    = time.Minute
	connRate     = 200 // new connections a second and address
	connBurst    = 2048

	circuitsMemory = relayCircuits*2*circuitBuffer + 32<<20 // bytes
)

// resourceManager keeps libp2p's own limits on memory and descriptors and
// raises those that count connections per address: with the default of 8 for
// each IPv4 address, the ninth node behind a gateway is dropped silently.
func resourceManager() (network.ResourceManager, error) {
	scaling := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaling)
	many := rcmgr.ResourceLimits{
		Conns: connsHigh * 2, ConnsInbound: connsHigh * 2, ConnsOutbound: connsHigh * 2,
		Streams: streamsTotal, StreamsInbound: streamsTotal, StreamsOutbound: streamsTotal,
	}
	streams := rcmgr.ResourceLimits{Streams: streamsTotal, StreamsInbound: streamsTotal, StreamsOutbound: streamsTotal}
	// Each circuit is a stream that came in and one that went out.
	circuits := rcmgr.ResourceLimits{
		Streams: 2 * relayCircuits, StreamsInbound: relayCircuits, StreamsOutbound: relayCircuits, Memory: circuitsMemory,
	}
	ofPeer := rcmgr.ResourceLimits{Streams: 2 * circuitsPerPeer, StreamsInbound: circuitsPerPeer, StreamsOutbound: circuitsPerPeer}
	limits := rcmgr.PartialLimitConfig{
		System: many, Transient: many, ProtocolDefault: streams,
		Service:      map[string]rcmgr.ResourceLimits{relay.ServiceName: circuits},
		ServicePeer:  map[string]rcmgr.ResourceLimits{relay.ServiceName: ofPeer},
		Protocol:     map[protocol.ID]rcmgr.ResourceLimits{proto.ProtoIDv2Hop: circuits, proto.ProtoIDv2Stop: circuits},
		ProtocolPeer: map[protocol.ID]rcmgr.ResourceLimits{proto.ProtoIDv2Hop: ofPeer, proto.ProtoIDv2Stop: ofPeer},
		PeerDefault: rcmgr.ResourceLimits{
			Conns: connsPerPeer, ConnsInbound: connsPerPeer, ConnsOutbound: connsPerPeer,
			Streams: streamsPeer, StreamsInbound: streamsPeer, StreamsOutbound: streamsPeer,
		},
	}.Build(scaling.AutoScale())
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: connsPerIP}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: connsPerIP}}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: loopback(),
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: rate.Limit{RPS: connRate, Burst: connBurst}}},
				IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: rate.Limit{RPS: connRate, Burst: connBurst}}},
				GracePeriod:      time.Minute,
			},
		}),
		rcmgr.WithMetricsDisabled())
}

func connectionManager() (*connmgr.BasicConnMgr, error) {
	return connmgr.NewConnManager(connsLow, connsHigh, connmgr.WithGracePeriod(connGrace))
}
