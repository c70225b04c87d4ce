package p2p

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"
)

var log = logging.Logger("p2p")

// Host is a node's place in the network. Its methods may be called from any
// goroutine.
type Host struct {
	cfg   Config
	conf  parsed
	boot  uint64
	stats *counters

	raw    host.Host    // libp2p's, without guards
	guard  *guardedHost // what everything of ours uses
	peers  *registry
	dht    *dht.IpfsDHT // nil on a guest's host
	pubsub *pubsub.PubSub

	bridge *pubsubBridge
	keeper *keeper
	seeker *seeker
	out    *outbox
	in     *inbox
	topics *topicTable
	slots  *slots       // reservations on relays
	relay  *relay.Relay // nil unless Config.Relay
	ledger *ledger      // of the relay; nil without one

	running atomic.Bool // Run was called

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  taskGroup

	closeOnce sync.Once
	closeErr  error
}

// lastBoot keeps boot ids of one process apart, also when the clock stands.
var lastBoot atomic.Uint64

// newBootID is larger than that of any earlier start of this node, as long as
// the clock was not set back between the two.
func newBootID() uint64 {
	for {
		last := lastBoot.Load()
		next := max(uint64(time.Now().UnixNano()), last+1)
		if lastBoot.CompareAndSwap(last, next) {
			return next
		}
	}
}

// New makes a host and listens. It finds and dials nobody before [Host.Run],
// but answers peers that dial it. Errors are those of [Config.Validate] and
// ErrListen.
func New(cfg Config) (*Host, error) {
	conf, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, conf: conf, boot: newBootID(), stats: &counters{}, peers: newRegistry(cmp.Or(cfg.MaxGuests, DefaultGuests))}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.keeper = newKeeper(h)
	h.seeker = newSeeker(h)
	h.out = newOutbox(h)
	h.in = newInbox(h)
	h.topics = newTopicTable(conf.id, h.peers.isMember)
	h.slots = newSlots(conf)
	var upgrader transport.Upgrader
	if h.raw, upgrader, err = h.newLibp2p(); err != nil {
		h.cancel()
		return nil, err
	}
	h.guard = &guardedHost{Host: h.raw, h: h}
	if h.bridge, err = newPubsubBridge(h); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	// From here on peers can come, as soon as something dials or listens.
	h.raw.Network().Notify(&network.NotifyBundle{ConnectedF: h.connected, DisconnectedF: h.disconnected})
	h.raw.SetStreamHandler(helloProtocol, h.answerHello)
	h.guard.SetStreamHandler(h.protocol("ping"), h.answerPing)
	if err = h.startServices(upgrader); err == nil {
		err = listen(h.raw, conf.listen)
	}
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Host) startServices(upgrader transport.Upgrader) error {
	if !h.conf.self.guest() {
		if err := h.startDHT(); err != nil {
			return err
		}
	}
	if err := h.startPubsub(); err != nil {
		return err
	}
	if err := h.startCircuits(upgrader); err != nil {
		return err
	}
	return h.startRelay()
}

// protocol is the id of one of the network's protocols.
func (h *Host) protocol(channel string) protocol.ID {
	return protocol.ID("/mpc/" + h.cfg.Network + "/" + channel + "/1")
}

// Close ends everything that the host does and frees its addresses. It may be
// called more than once.
func (h *Host) Close() error {
	h.closeOnce.Do(func() {
		h.cancel()
		if h.relay != nil {
			h.closeErr = errors.Join(h.closeErr, h.relay.Close())
		}
		if h.dht != nil {
			h.closeErr = errors.Join(h.closeErr, h.dht.Close())
		}
		if h.raw != nil {
			h.closeErr = errors.Join(h.closeErr, h.raw.Close())
		}
		h.peers.stop()
		h.tasks.close()
	})
	return h.closeErr
}

// ID is this node's peer id.
func (h *Host) ID() PeerID { return h.conf.self.Peer }

// Self is what this node's credential says.
func (h *Host) Self() Member { return h.conf.self }

// BootID tells this start of the node from earlier ones, which have smaller ids.
func (h *Host) BootID() uint64 { return h.boot }

// Sign is the Ed25519 signature (RFC 8032, 64 bytes) of data by this node.
func (h *Host) Sign(data []byte) []byte { return ed25519.Sign(h.cfg.Identity, data) }

// Addrs are the addresses under which others reach this node, with /p2p/ and
// its peer id at the end: those on which it listens, fit for Config.Bootstrap,
// the announced ones, and those through relays that hold a slot for it now.
func (h *Host) Addrs() []string {
	listening, err := h.raw.Network().InterfaceListenAddresses()
	if err != nil {
		log.Warnw("interface addresses are not known", "error", err)
		listening = h.raw.Network().ListenAddresses()
	}
	addrs := slices.DeleteFunc(slices.Clone(listening), isCircuit)
	addrs = append(addrs, h.conf.announce...)
	return withPeer(append(addrs, h.slots.addrs()...), h.ID())
}

// Listening are the addresses on which this node listens, in the form of
// Config.Listen, with the ports that the system chose.
func (h *Host) Listening() []string {
	var addrs []string
	for _, a := range h.raw.Network().ListenAddresses() {
		if !isCircuit(a) {
			addrs = append(addrs, a.String())
		}
	}
	return addrs
}

func withPeer(addrs []ma.Multiaddr, id PeerID) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String() + "/p2p/" + id
	}
	return out
}

// taskGroup holds the goroutines of a host, most of which a peer's message has
// started: a panic ends one of them, not the daemon. None starts after close,
// which waits for all.
type taskGroup struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func (g *taskGroup) spawn(task func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.wg.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				log.Errorw("a task panicked", "panic", r, "stack", string(debug.Stack()))
			}
		}()
		task()
	})
}

func (g *taskGroup) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wg.Wait()
}
