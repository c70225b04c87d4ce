package p2p

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
)

const (
	// maxGossip bounds a gossip packet; every node of a network must agree on it.
	maxGossip = 256 << 10
	// MaxMessage is the size of a topic message in bytes, at most: maxGossip
	// without room for the topic's name and the framing.
	MaxMessage = maxGossip - 1<<10
	// queueSize is how many messages of a topic wait for Next.
	queueSize = 1024
	// outSize is how many messages to one peer wait to be written.
	outSize = 2048
	// checkSize is how many messages of all peers wait for the validators.
	checkSize = 4 * gossipBurst
	// seenTime is how long a message is known again, at least: a copy that comes later
	// is checked anew, and its session knows it or is over.
	seenTime = 10 * time.Second
)

// startPubsub sets gossipsub up for small committees on topics that live for
// one session. With a mesh (D > 0) the first messages on a fresh topic are lost:
// nobody is grafted yet, and later repair skips mesh members. Without one, each
// publisher sends straight to every subscriber that it is connected to. Nor is there
// gossip about messages that others might lack: whoever lacks one asks its author.
func (h *Host) startPubsub() (err error) {
	params := pubsub.DefaultGossipSubParams()
	params.D, params.Dlo, params.Dhi, params.Dout, params.Dscore = 0, 0, 0, 0, 0
	params.Dlazy, params.GossipFactor, params.HistoryGossip, params.HistoryLength = 0, 0, 1, 1
	params.PrunePeers = 0 // WithPeerExchange is about what is told: without this, what others tell would be dialled
	h.pubsub, err = pubsub.NewGossipSub(h.ctx, h.bridge.host,
		pubsub.WithGossipSubParams(params),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerExchange(false),
		pubsub.WithPeerOutboundQueueSize(outSize),
		pubsub.WithValidateQueueSize(checkSize),
		pubsub.WithSeenMessagesTTL(seenTime),
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
