package p2psim

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/marcopolo/simnet"
	"github.com/quic-go/quic-go"
	"go.uber.org/fx"

	"github.com/meshmpc/mpcd/p2p"
)

// Config describes the links, all alike.
type Config struct {
	Latency       time.Duration // one way, between any two nodes
	BitsPerSecond int           // of each node's link, each way; 0: 1 Gbit/s
	Loss          float64       // share of packets lost, 0 to 1
	Seed          uint64        // of the losses
}

// Port is the UDP port of every simulated node.
const Port = 4001

// Network is a simulated network. Its methods may be called from any goroutine.
type Network struct {
	cfg Config
	net *simnet.Simnet

	mu   sync.Mutex
	rand *rand.Rand
	down map[string]bool    // nodes cut off, by IP
	cut  map[[2]string]bool // directed pairs
	open map[string]*conn   // the latest socket of each IP
}

// New starts a network; Close ends it.
func New(cfg Config) *Network {
	if cfg.BitsPerSecond == 0 {
		cfg.BitsPerSecond = 1_000_000_000
	}
	n := &Network{
		cfg: cfg, rand: rand.New(rand.NewPCG(cfg.Seed, 0)),
		down: map[string]bool{}, cut: map[[2]string]bool{}, open: map[string]*conn{},
		net: &simnet.Simnet{
			LatencyFunc: simnet.StaticLatency(cfg.Latency),
			Logger:      slog.New(slog.DiscardHandler), // it reports packets to nodes that are gone
		},
	}
	n.net.Start()
	return n
}

// Close ends the network. The hosts must have been closed before.
func (n *Network) Close() { n.net.Close() }

// IP is the address of the i-th node, i from 0.
func IP(i int) string { return simnet.IntToPublicIPv4(i).String() }

// Addr is the multiaddr on which the i-th node listens.
func Addr(i int) string { return fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", IP(i), Port) }

// Kill silences the host at the i-th address for good, as if its process had been
// killed. Another host may take the address.
func (n *Network) Kill(i int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.open[IP(i)]; c != nil {
		c.dead.Store(true)
	}
}

// Isolate cuts the i-th node off from all others, or lets it back.
func (n *Network) Isolate(i int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[IP(i)] = cut
}

// Cut drops packets between two nodes, both ways, or stops doing so.
func (n *Network) Cut(i, j int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]string{IP(i), IP(j)}] = cut
	n.cut[[2]string{IP(j), IP(i)}] = cut
}

// passes decides about one packet.
func (n *Network) passes(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down[from] || n.down[to] || n.cut[[2]string{from, to}] {
		return false
	}
	return n.cfg.Loss == 0 || n.rand.Float64() >= n.cfg.Loss
}

// Endpoint puts a host into the network, at the address on which it listens. It
// serves one host at a time.
func (n *Network) Endpoint() p2p.Simulated {
	return func() []libp2p.Option {
		ip := &sourceIP{}
		manager := func(life fx.Lifecycle, reset quic.StatelessResetKey, token quic.TokenGeneratorKey, opts ...quicreuse.Option) (*quicreuse.ConnManager, error) {
			m, err := quicreuse.NewConnManager(reset, token, opts...)
			if err == nil {
				life.Append(fx.StopHook(m.Close))
			}
			return m, err
		}
		return []libp2p.Option{libp2p.QUICReuse(manager,
			quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return ip, nil }),
			quicreuse.OverrideListenUDP(func(_ string, at *net.UDPAddr) (net.PacketConn, error) {
				ip.set(at.IP)
				return n.listen(at), nil
			}),
		)}
	}
}

func (n *Network) listen(at *net.UDPAddr) net.PacketConn {
	link := simnet.LinkSettings{BitsPerSecond: n.cfg.BitsPerSecond}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &conn{SimConn: n.net.NewEndpoint(at, simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}), net: n, ip: at.IP.String()}
	n.open[c.ip] = c
	return c
}

// conn is a node's socket, whose packets may get lost on leaving.
type conn struct {
	*simnet.SimConn
	net  *Network
	ip   string
	dead atomic.Bool
}

// WriteTo sends a packet; a lost one counts as sent.
func (c *conn) WriteTo(data []byte, to net.Addr) (int, error) {
	host, _, err := net.SplitHostPort(to.String())
	if err == nil && (c.dead.Load() || !c.net.passes(c.ip, host)) {
		return len(data), nil
	}
	return c.SimConn.WriteTo(data, to)
}

// sourceIP tells the transport which address packets leave from.
type sourceIP struct {
	mu sync.Mutex
	ip net.IP
}

func (s *sourceIP) set(ip net.IP) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ip = ip
}

// PreferredSourceIPForDestination is the node's one address.
func (s *sourceIP) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ip, nil
}
