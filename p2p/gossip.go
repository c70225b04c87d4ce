package p2p

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
)

const (
	// maxGossip bounds a gossip packet; every node of a network must agree on it.
	maxGossip = 256 << 10
	// MaxMessage is the size of a topic message in bytes, at most: maxGossip
	// without room for the topic's name and the framing.
	MaxMessage = maxGossip - 1<<10
	// queueSize is the length of each queue between pubsub's goroutines.
	queueSize = 1024
)

// startPubsub sets gossipsub up for small committees on topics that live for
// one session. With a mesh (D > 0) the first messages on a fresh topic are lost:
// nobody is grafted yet, and later repair skips mesh members. Without one, each
// publisher sends straight to every subscriber that it is connected to.
func (h *Host) startPubsub() (err error) {
	params := pubsub.DefaultGossipSubParams()
	params.D, params.Dlo, params.Dhi, params.Dout, params.Dscore = 0, 0, 0, 0, 0
	params.PrunePeers = 0 // WithPeerExchange is about what is told: without this, what others tell would be dialled
	h.pubsub, err = pubsub.NewGossipSub(h.ctx, h.bridge.host,
		pubsub.WithGossipSubParams(params),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerExchange(false),
		pubsub.WithPeerOutboundQueueSize(queueSize),
		pubsub.WithValidateQueueSize(queueSize),
		pubsub.WithValidateWorkers(1), // more would reorder a sender's messages
		pubsub.WithMaxMessageSize(maxGossip),
		// Messages carry our envelope's signature; a second one would double the
		// cost of a hop. The author field would be a claim that nobody checks.
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithPeerFilter(h.topics.mayReceive),
		pubsub.WithSubscriptionFilter(&subscriptionFilter{prefix: h.topicPrefix(), table: h.topics, stats: h.stats}),
		pubsub.WithAppSpecificRpcInspector(h.inspect),
		pubsub.WithRawTracer(h.bridge),
	)
	if err != nil {
		return fmt.Errorf("p2p: gossipsub: %w", err)
	}
	return nil
}

// messageID names a message by its topic and content. The topic belongs to it:
// otherwise a member could publish another's message on a topic where it is
// invalid, and it would count as seen where it is valid.
func messageID(m *pb.Message) string {
	hash := sha256.New()
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(m.GetTopic())))
	hash.Write(length[:])
	hash.Write([]byte(m.GetTopic()))
	hash.Write(m.GetData())
	return string(hash.Sum(nil))
}

func (h *Host) topicPrefix() string { return "/mpc/" + h.cfg.Network + "/" }
