package p2ptest

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-varint"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2psim"
)

const (
	rawQueue  = 4096 // packets that a Raw has not sent yet
	rawPlaces = 1000 // the first simulated address of one
)

// helloProtocol is the hello's name on the wire.
const helloProtocol protocol.ID = "/mpc/hello/1"

// Raw is an admitted node with a modified client: libp2p and gossipsub without any
// filter, guard or limit of package p2p, and the hello by its contract. It joins
// every topic, sends whatever it is told to, and keeps all that it receives.
type Raw struct {
	net  *Network
	tb   testing.TB
	key  ed25519.PrivateKey
	id   p2p.PeerID
	cred string
	host host.Host
	ps   *pubsub.PubSub

	mu      sync.Mutex
	topics  map[string]*pubsub.Topic
	streams map[string]network.Stream // by peer and channel
	heard   [][]byte                  // messages of topics
	frames  [][]byte
}

// AddRaw makes a modified client with a credential for a role. It dials and is not
// dialled; it ends with the test.
func (n *Network) AddRaw(role p2p.Role) *Raw {
	n.tb.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		n.tb.Fatal(err)
	}
	r := &Raw{
		net: n, tb: n.tb, key: key, id: p2p.PeerOf(pub), topics: map[string]*pubsub.Topic{}, streams: map[string]network.Stream{},
	}
	r.cred = n.Credential(p2p.Member{Peer: r.id, Role: role, Name: "raw"})
	if err := r.open(); err != nil {
		n.tb.Fatal(err)
	}
	return r
}

func (r *Raw) open() error {
	identity, err := crypto.UnmarshalEd25519PrivateKey(r.key)
	if err != nil {
		return err
	}
	options := []libp2p.Option{
		libp2p.Identity(identity), libp2p.ListenAddrStrings(r.addr()), libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.Transport(quic.NewTransport), libp2p.Transport(tcp.NewTCPTransport), libp2p.Ping(false),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.DisableIdentifyAddressDiscovery(),
	}
	if r.net.Sim != nil {
		options = append(options, r.net.Sim.Endpoint()()...)
	}
	if r.host, err = libp2p.New(options...); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.host.SetStreamHandler(helloProtocol, r.answerHello)
	r.host.SetStreamHandler(r.protocol("ping"), func(s network.Stream) { io.Copy(s, s) }) //nolint:errcheck // it ends with the stream
	r.tb.Cleanup(func() { cancel(); r.host.Close() })                                     //nolint:errcheck // the test is over
	params := pubsub.DefaultGossipSubParams()
	params.D, params.Dlo, params.Dhi, params.Dout, params.Dscore = 0, 0, 0, 0, 0
	r.ps, err = pubsub.NewGossipSub(ctx, r.host,
		pubsub.WithGossipSubParams(params), pubsub.WithFloodPublish(true), pubsub.WithPeerOutboundQueueSize(rawQueue),
		pubsub.WithMaxMessageSize(256<<10), pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(rawID), pubsub.WithRawTracer(rawTracer{r}),
	)
	return err
}

// addr is where it listens: in a simulated network beyond those of nodes.
func (r *Raw) addr() string {
	if r.net.Sim == nil {
		return r.net.listen()
	}
	r.net.raws++
	return p2psim.Addr(rawPlaces + r.net.raws)
}

// rawID names messages as the network's nodes do.
func rawID(m *pb.Message) string {
	sum := sha256.New()
	sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(m.GetTopic()))))
	sum.Write([]byte(m.GetTopic()))
	sum.Write(m.GetData())
	return string(sum.Sum(nil))
}

// ID is the client's peer id.
func (r *Raw) ID() p2p.PeerID { return r.id }

// Sign signs as the node that the client is.
func (r *Raw) Sign(data []byte) []byte { return ed25519.Sign(r.key, data) }

// rawHello is the hello as package p2p's doc.go has it.
type rawHello struct {
	Credential string `cbor:"1,keyasint,omitempty"`
	Boot       uint64 `cbor:"2,keyasint,omitempty"`
	Software   string `cbor:"3,keyasint,omitempty"`
	Refusal    string `cbor:"4,keyasint,omitempty"`
}

// Greet connects to a node and says hello. It may be called again when the node
// has closed the connection.
func (r *Raw) Greet(ctx context.Context, to *Node) error {
	info, err := peer.AddrInfoFromString(to.Addrs()[0])
	if err != nil {
		return err
	}
	if err := r.host.Connect(ctx, *info); err != nil {
		return err
	}
	s, err := r.host.NewStream(ctx, info.ID, helloProtocol)
	if err != nil {
		return err
	}
	defer s.Close()                                //nolint:errcheck // all was said
	if err := writeRaw(s, r.hello()); err != nil { // the dialler speaks first
		return err
	}
	var theirs rawHello
	if err := readRaw(bufio.NewReader(s), &theirs); err != nil {
		return err
	}
	if theirs.Refusal != "" {
		return fmt.Errorf("refused: %s", theirs.Refusal)
	}
	return writeRaw(s, rawHello{})
}

// answerHello says hello to a node that dials.
func (r *Raw) answerHello(s network.Stream) {
	defer s.Close() //nolint:errcheck // all was said
	var theirs, verdict rawHello
	in := bufio.NewReader(s)
	if readRaw(in, &theirs) == nil && writeRaw(s, r.hello()) == nil {
		readRaw(in, &verdict) //nolint:errcheck // it does not matter
	}
}

func (r *Raw) hello() rawHello { return rawHello{Credential: r.cred, Boot: 1} }

// protocol is the id of one of the network's protocols.
func (r *Raw) protocol(channel string) protocol.ID {
	return protocol.ID("/mpc/" + r.net.Name + "/" + channel + "/1")
}

func writeRaw(w io.Writer, v any) error {
	data, err := cbor.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(frame(data))
	return err
}

func frame(data []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(data))), data...)
}

func readRaw(from *bufio.Reader, v any) error {
	data, err := readFrame(from)
	if err != nil {
		return err
	}
	return cbor.Unmarshal(data, v)
}

func readFrame(from *bufio.Reader) ([]byte, error) {
	n, err := varint.ReadUvarint(from)
	if err != nil || n > p2p.MaxFrame {
		return nil, fmt.Errorf("a frame of %d bytes: %w", n, err)
	}
	data := make([]byte, n)
	_, err = io.ReadFull(from, data)
	return data, err
}

// Serve takes frames on a channel, of anybody.
func (r *Raw) Serve(channel string) {
	r.host.SetStreamHandler(r.protocol(channel), func(s network.Stream) {
		defer s.Reset() //nolint:errcheck // nothing is lost
		for in := bufio.NewReader(s); ; {
			data, err := readFrame(in)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.frames = append(r.frames, data)
			r.mu.Unlock()
		}
	})
}

// Send writes a frame to a node's channel, on one kept stream.
func (r *Raw) Send(ctx context.Context, to p2p.PeerID, channel string, data []byte) error {
	key := to + " " + channel
	r.mu.Lock()
	s := r.streams[key]
	r.mu.Unlock()
	if s == nil {
		id, err := peer.Decode(to)
		if err != nil {
			return err
		}
		if s, err = r.host.NewStream(network.WithNoDial(ctx, "greeted nodes only"), id, r.protocol(channel)); err != nil {
			return err
		}
		r.mu.Lock()
		r.streams[key] = s
		r.mu.Unlock()
	}
	if deadline, ok := ctx.Deadline(); ok {
		s.SetWriteDeadline(deadline) //nolint:errcheck // it writes longer then
	}
	_, err := s.Write(frame(data))
	if err != nil {
		s.Reset() //nolint:errcheck // nothing can be done about it
		r.mu.Lock()
		delete(r.streams, key)
		r.mu.Unlock()
	}
	return err
}

// Join subscribes to a topic of the network, whoever its members are.
func (r *Raw) Join(name string) {
	r.tb.Helper()
	topic, err := r.ps.Join("/mpc/" + r.net.Name + "/" + name)
	if err != nil {
		r.tb.Fatal(err)
	}
	sub, err := topic.Subscribe()
	if err != nil {
		r.tb.Fatal(err)
	}
	r.mu.Lock()
	r.topics[name] = topic
	r.mu.Unlock()
	r.tb.Cleanup(sub.Cancel)
}

// Publish sends a message to everybody on a topic that was joined.
func (r *Raw) Publish(ctx context.Context, name string, data []byte) error {
	r.mu.Lock()
	topic := r.topics[name]
	r.mu.Unlock()
	return topic.Publish(ctx, data)
}

// Heard returns the topic messages that have arrived in whatever way.
func (r *Raw) Heard() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// Frames returns the frames that have arrived on the channels served.
func (r *Raw) Frames() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.frames)
}

// rawTracer listens to the packets of gossipsub before anything looks at them.
type rawTracer struct{ r *Raw }

func (t rawTracer) RecvRPC(rpc *pubsub.RPC) {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	for _, m := range rpc.GetPublish() {
		t.r.heard = append(t.r.heard, m.GetData())
	}
}

func (rawTracer) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (rawTracer) OnClosedOutboundStream(peer.ID)           {}
func (rawTracer) Join(string)                              {}
func (rawTracer) Leave(string)                             {}
func (rawTracer) Graft(peer.ID, string)                    {}
func (rawTracer) Prune(peer.ID, string)                    {}
func (rawTracer) ValidateMessage(*pubsub.Message)          {}
func (rawTracer) DeliverMessage(*pubsub.Message)           {}
func (rawTracer) RejectMessage(*pubsub.Message, string)    {}
func (rawTracer) DuplicateMessage(*pubsub.Message)         {}
func (rawTracer) ThrottlePeer(peer.ID)                     {}
func (rawTracer) SendRPC(*pubsub.RPC, peer.ID)             {}
func (rawTracer) DropRPC(*pubsub.RPC, peer.ID)             {}
func (rawTracer) UndeliverableMessage(*pubsub.Message)     {}
