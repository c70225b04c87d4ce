package p2ptest

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-varint"
	"google.golang.org/protobuf/proto"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2psim"
)

// rawPlaces is the first simulated address of a Raw.
const rawPlaces = 1000

// Names on the wire.
const (
	helloProtocol  protocol.ID = "/mpc/hello/1"
	gossipProtocol protocol.ID = "/meshsub/1.1.0"
)

// Raw is an admitted node with a modified client: bare libp2p streams, without any
// filter, guard or limit of package p2p or of gossipsub, and the hello by its
// contract. It joins every topic, sends whatever it is told to, and keeps all that
// it receives.
type Raw struct {
	net  *Network
	tb   testing.TB
	key  ed25519.PrivateKey
	id   p2p.PeerID
	cred string
	host host.Host

	mu      sync.Mutex
	greeted []p2p.PeerID
	topics  []string              // subscribed to
	streams map[string]*rawStream // by peer and protocol
	heard   [][]byte              // messages of topics
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
		net: n, tb: n.tb, key: key, id: p2p.PeerOf(pub), streams: map[string]*rawStream{},
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
	r.host.SetStreamHandler(helloProtocol, r.answerHello)
	r.host.SetStreamHandler(r.protocol("ping"), func(s network.Stream) { io.Copy(s, s) }) //nolint:errcheck // it ends with the stream
	r.tb.Cleanup(func() { r.host.Close() })                                               //nolint:errcheck // the test is over
	r.host.SetStreamHandler(gossipProtocol, r.listen)
	return nil
}

// addr is where it listens: in a simulated network beyond those of nodes.
func (r *Raw) addr() string {
	if r.net.Sim == nil {
		return r.net.listen()
	}
	r.net.raws++
	return p2psim.Addr(rawPlaces + r.net.raws)
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
	if err := writeRaw(s, rawHello{}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.greeted = append(r.greeted, to.ID())
	return nil
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
	s, _, err := r.stream(ctx, to, r.protocol(channel))
	if err != nil {
		return err
	}
	return r.write(ctx, s, to, data)
}

// stream is the kept stream to a node, or a fresh one.
func (r *Raw) stream(ctx context.Context, to p2p.PeerID, id protocol.ID) (s *rawStream, fresh bool, err error) {
	key := to + string(id)
	r.mu.Lock()
	s = r.streams[key]
	r.mu.Unlock()
	if s != nil {
		return s, false, nil
	}
	p, err := peer.Decode(to)
	if err != nil {
		return nil, false, err
	}
	opened, err := r.host.NewStream(network.WithNoDial(ctx, "greeted nodes only"), p, id)
	if err != nil {
		return nil, false, err
	}
	s = &rawStream{Stream: opened, turn: make(chan struct{}, 1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams[key] = s
	return s, true, nil
}

// rawStream is written to by one goroutine at a time: yamux wakes one alone when a
// stream is reset.
type rawStream struct {
	network.Stream
	turn chan struct{} // a channel, for virtual time stands while somebody waits for a mutex
}

// write sends a frame; a stream that fails is forgotten.
func (r *Raw) write(ctx context.Context, s *rawStream, to p2p.PeerID, data []byte) error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	defer context.AfterFunc(ctx, func() { s.Reset() })() //nolint:errcheck // nothing can be done about it
	_, err := s.Write(frame(data))
	if err != nil {
		s.Reset() //nolint:errcheck // nothing can be done about it
		r.mu.Lock()
		if key := to + string(s.Protocol()); r.streams[key] == s {
			delete(r.streams, key)
		}
		r.mu.Unlock()
	}
	return err
}

// listen keeps every message that a node sends on a topic.
func (r *Raw) listen(s network.Stream) {
	defer s.Reset() //nolint:errcheck // nothing is lost
	for in := bufio.NewReader(s); ; {
		data, err := readFrame(in)
		var rpc pb.RPC
		if err != nil || proto.Unmarshal(data, &rpc) != nil {
			return
		}
		r.mu.Lock()
		for _, m := range rpc.GetPublish() {
			r.heard = append(r.heard, m.GetData())
		}
		r.mu.Unlock()
	}
}

// Join subscribes to a topic of the network at all nodes greeted, whoever its
// members are, and again whenever they end the stream that told them so.
func (r *Raw) Join(ctx context.Context, name string) {
	r.mu.Lock()
	r.topics = append(r.topics, r.topic(name))
	r.mu.Unlock()
	for _, to := range r.nodes() {
		r.gossip(ctx, to, &pb.RPC{Subscriptions: r.subscriptions()}) //nolint:errcheck // the next message tells it again
	}
}

// Publish sends a message on a topic to one node.
func (r *Raw) Publish(ctx context.Context, to p2p.PeerID, name string, data []byte) error {
	topic := r.topic(name)
	return r.gossip(ctx, to, &pb.RPC{Publish: []*pb.Message{{Topic: &topic, Data: data}}})
}

func (r *Raw) topic(name string) string { return "/mpc/" + r.net.Name + "/" + name }

func (r *Raw) subscriptions() (subs []*pb.RPC_SubOpts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, topic := range r.topics {
		yes := true
		subs = append(subs, &pb.RPC_SubOpts{Topicid: &topic, Subscribe: &yes})
	}
	return subs
}

// gossip sends a packet of gossipsub. On a new stream it says first what the client
// is subscribed to.
func (r *Raw) gossip(ctx context.Context, to p2p.PeerID, rpc *pb.RPC) error {
	s, fresh, err := r.stream(ctx, to, gossipProtocol)
	if err != nil {
		return err
	}
	if fresh {
		rpc.Subscriptions = r.subscriptions()
	}
	data, err := proto.Marshal(rpc)
	if err != nil {
		return err
	}
	return r.write(ctx, s, to, data)
}

// Exchange tells a node, by gossipsub's peer exchange, to connect to another client.
func (r *Raw) Exchange(ctx context.Context, to p2p.PeerID, name string, other *Raw) error {
	book, ok := peerstore.GetCertifiedAddrBook(other.host.Peerstore())
	if !ok {
		return errors.New("no certified addresses")
	}
	signed, err := book.GetPeerRecord(other.host.ID()).Marshal()
	if err != nil {
		return err
	}
	topic := r.topic(name)
	info := &pb.PeerInfo{PeerID: []byte(other.host.ID()), SignedPeerRecord: signed}
	return r.gossip(ctx, to, &pb.RPC{Control: &pb.ControlMessage{Prune: []*pb.ControlPrune{{TopicID: &topic, Peers: []*pb.PeerInfo{info}}}}})
}

// Connections counts the client's connections.
func (r *Raw) Connections() int { return len(r.host.Network().Conns()) }

// Stall begins a frame on a node's channel, does not end it, and waits until the
// node gives it up.
func (r *Raw) Stall(ctx context.Context, to p2p.PeerID, channel string) error {
	s, _, err := r.stream(ctx, to, r.protocol(channel))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { s.Reset() })() //nolint:errcheck // nothing can be done about it
	if _, err := s.Write(frame(make([]byte, 100))[:50]); err != nil {
		return err
	}
	_, err = s.Read(make([]byte, 1))
	if err == nil {
		return errors.New("a node writes on a channel's stream")
	}
	return ctx.Err()
}

// nodes are those greeted.
func (r *Raw) nodes() []p2p.PeerID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.greeted)
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
