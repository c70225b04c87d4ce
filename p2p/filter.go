package p2p

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	maxTopicName     = 256              // bytes
	maxSubscriptions = 4096             // topics a member may be subscribed to at once
	maxGuestTopics   = 64               // topics a guest may be subscribed to at once
	topicMemory      = 10 * time.Minute // how long a name stays used; pubsub's back-offs end well before
)

// topicTable knows the topics joined here and who may take part in them.
type topicTable struct {
	self   peer.ID
	member func(peer.ID) bool // admitted and no guest

	mu     sync.Mutex
	joined map[string]*joinedTopic
	left   map[string]time.Time        // when a topic was left
	theirs map[peer.ID]map[string]bool // what each peer is subscribed to
}

// joinedTopic is a topic joined here.
type joinedTopic struct {
	members map[peer.ID]bool  // nil: every member of the network
	paces   map[peer.ID]*pace // of those that have sent something
	shared  bool              // by many sessions
	moves   atomic.Uint64     // grows whenever a peer may have come or gone
}

func newTopicTable(self peer.ID, member func(peer.ID) bool) *topicTable {
	return &topicTable{
		self: self, member: member, joined: map[string]*joinedTopic{}, left: map[string]time.Time{}, theirs: map[peer.ID]map[string]bool{},
	}
}

// join claims a topic's name. One that is shared may have been left a moment ago:
// without a mesh there is nothing that pubsub would hold back from who comes again.
func (t *topicTable) join(name string, members map[peer.ID]bool, shared bool) (*joinedTopic, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for old, at := range t.left {
		if now.Sub(at) > topicMemory {
			delete(t.left, old)
		}
	}
	_, joined := t.joined[name]
	if _, left := t.left[name]; joined || left {
		return nil, ErrTopicUsed
	}
	topic := &joinedTopic{members: members, paces: map[peer.ID]*pace{}, shared: shared}
	t.joined[name] = topic
	return topic, nil
}

func (t *topicTable) leave(name string, topic *joinedTopic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.joined, name)
	if !topic.shared {
		t.left[name] = time.Now()
	}
}

// mayReceive tells whether pubsub may give a topic's messages to a peer. It is
// its peer filter, which floods do not ask: hence the subscription filter.
func (t *topicTable) mayReceive(p peer.ID, name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	topic := t.joined[name]
	return topic != nil && t.belongs(p, topic.members)
}

// verdict is about a message that a peer passes on.
type verdict int

const (
	fine verdict = iota
	intrusion
	tooFast
)

// judge decides whether a message that a peer passes on is looked at. Those of a
// topic that is not joined here are nobody's concern: pubsub ignores them.
func (t *topicTable) judge(p peer.ID, name string, size int) verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	topic := t.joined[name]
	switch {
	case topic == nil:
		return fine
	case !t.belongs(p, topic.members):
		return intrusion
	}
	if topic.paces[p] == nil {
		topic.paces[p] = topicPace(topic.shared)
	}
	if !topic.paces[p].allow(size) {
		return tooFast
	}
	return fine
}

// belongs tells whether a peer is one of a topic's members. Guests are only if
// they are named.
func (t *topicTable) belongs(p peer.ID, members map[peer.ID]bool) bool {
	if members == nil {
		return t.member(p)
	}
	return members[p]
}

// forget drops what a peer was subscribed to, and its pace where anybody may send:
// those of members are few, and end with the topic.
func (t *topicTable) forget(p peer.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.theirs, p)
	for _, topic := range t.joined {
		if topic.members == nil {
			delete(topic.paces, p)
		}
		if topic.members[p] {
			topic.moves.Add(1)
		}
	}
}

// subscribe notes a peer's subscription. It is false if the peer is no member of
// the topic or subscribed to too many. A topic that is not joined here yet is
// accepted: its members join in any order.
func (t *topicTable) subscribe(p peer.ID, name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if topic := t.joined[name]; topic != nil && !t.belongs(p, topic.members) {
		return false
	}
	limit := maxSubscriptions
	if !t.member(p) {
		limit = maxGuestTopics
	}
	topics := t.theirs[p]
	if topics == nil {
		topics = map[string]bool{}
		t.theirs[p] = topics
	}
	if len(topics) >= limit && !topics[name] {
		return false
	}
	topics[name] = true
	t.move(name)
	return true
}

// move notes that a peer comes or goes. The caller holds mu.
func (t *topicTable) move(name string) {
	if topic := t.joined[name]; topic != nil {
		topic.moves.Add(1)
	}
}

func (t *topicTable) unsubscribe(p peer.ID, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.theirs[p], name)
	t.move(name)
}

// subscriptionFilter is pubsub's filter of subscriptions, its own and others'.
type subscriptionFilter struct {
	prefix string
	table  *topicTable
	stats  *counters
}

// CanSubscribe allows topics of this network.
func (f *subscriptionFilter) CanSubscribe(name string) bool {
	return strings.HasPrefix(name, f.prefix) && len(name) <= maxTopicName
}

// FilterIncomingSubscriptions keeps what the peer may subscribe to.
func (f *subscriptionFilter) FilterIncomingSubscriptions(p peer.ID, subs []*pb.RPC_SubOpts) ([]*pb.RPC_SubOpts, error) {
	kept := subs[:0]
	for _, s := range subs {
		name := s.GetTopicid()
		switch {
		case !f.CanSubscribe(name):
		case !s.GetSubscribe():
			f.table.unsubscribe(p, name)
			kept = append(kept, s)
			continue
		case f.table.subscribe(p, name):
			kept = append(kept, s)
			continue
		}
		f.stats.subscriptions.Add(1)
	}
	return kept, nil
}

// pubsubHost is the host that pubsub sees. It knows pubsub's incoming streams,
// so that a stranger's subscription can be undone.
type pubsubHost struct {
	*guardedHost
	topics *topicTable

	mu      sync.Mutex
	streams map[peer.ID]*inboundStream
}

type inboundStream struct{ network.Stream }

// SetStreamHandler guards pubsub's handler and notes its streams.
func (g *pubsubHost) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	g.guardedHost.SetStreamHandler(id, func(s network.Stream) {
		p, in := s.Conn().RemotePeer(), &inboundStream{s}
		g.mu.Lock()
		g.streams[p] = in
		g.mu.Unlock()
		handle(s)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.streams[p] == in {
			delete(g.streams, p)
			g.topics.forget(p)
		}
	})
}

// bearer returns the connection over which a peer tells what it subscribes to, if it does.
func (g *pubsubHost) bearer(p peer.ID) network.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if in := g.streams[p]; in != nil {
		return in.Conn()
	}
	return nil
}

// evict makes pubsub forget all subscriptions of a peer by ending the stream
// that told them. The peer's new stream meets the filter.
func (g *pubsubHost) evict(p peer.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if in := g.streams[p]; in != nil {
		in.Reset() //nolint:errcheck // nothing can be done about it
	}
}
