package p2p

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// topicShape is the part of a topic's name after the network's prefix.
var topicShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9/._-]{0,127}$`)

// TopicConfig describes a topic.
type TopicConfig struct {
	Name    string   // within the network, such as s/<session id>; used once (see ErrTopicUsed) unless Shared
	Members []PeerID // who may send and receive, guests among them; may include this node. nil: every member of the network, and no guest

	// Validate returns the peer whose signature over data it has verified, what it
	// has made of data, for Delivery.Opened, and whether data is fit for this topic.
	// It is called for each message that a peer passes on which may send here, one at
	// a time over all topics of the host, before anybody else sees it. The data must
	// not be changed. Whoever passes on too much that is not fit is not listened to for
	// a moment; if what is made of data is Unwanted, nothing is held against anybody.
	Validate func(data []byte) (sender PeerID, opened any, ok bool)

	// ValidateVia takes the place of Validate where it matters who passes the message on:
	// the sender itself, or another peer that may send here.
	ValidateVia func(via PeerID, data []byte) (sender PeerID, opened any, ok bool)

	// Receive, unless nil, is called for each message that Validate and the list of
	// members have accepted, right after Validate and one at a time over all topics of
	// the host. It must not block. Next only waits then, and the message goes no further:
	// this node passes it on to nobody.
	Receive func(Delivery)

	// Shared says that the topic serves many sessions of the same members: peers may say
	// as much on it as these need at once, and after Close it may be joined again.
	Shared bool

	PublishOnly bool // do not subscribe: nothing arrives, and Next only waits
}

// Unwanted is what TopicConfig.Validate may make of a message that is not worth the
// verification of its signature, such as one for which there is no room: it is dropped,
// whoever has signed it.
var Unwanted any = &struct{ _ byte }{}

// unread is left by a topic's validator on what was dropped without a look at its signature.
var unread any = &struct{ _ byte }{}

// Delivery is a message from a topic.
type Delivery struct {
	From   PeerID // who signed it, by Validate; not who forwarded it
	Via    PeerID // who forwarded it, by its connection; often the same
	Data   []byte
	Opened any // what Validate has made of it
}

// validated is what a topic's validator leaves for Next.
type validated struct {
	sender PeerID
	opened any
}

// Topic is a joined topic. Its methods may be called from any goroutine.
type Topic struct {
	h       *Host
	name    string // with the prefix
	members map[peer.ID]bool
	check   func(via PeerID, data []byte) (PeerID, any, bool)
	receive func(Delivery) // nil: Next
	topic   *pubsub.Topic
	sub     *pubsub.Subscription // nil when PublishOnly
	table   *joinedTopic
	here    presence
	clean   atomic.Bool // no stranger is subscribed, and the filter lets none in
	closed  chan struct{}
	close   sync.Once
}

// Join joins a topic. Errors: ErrConfig, ErrTopicUsed, ErrClosed.
func (h *Host) Join(cfg TopicConfig) (*Topic, error) {
	check := cfg.ValidateVia
	if check == nil && cfg.Validate != nil {
		check = func(_ PeerID, data []byte) (PeerID, any, bool) { return cfg.Validate(data) }
	}
	if !topicShape.MatchString(cfg.Name) || check == nil {
		return nil, fmt.Errorf("%w: topic %q: a name of at most 128 letters, digits, '/', '.', '_' or '-' and a Validate are needed", ErrConfig, cfg.Name)
	}
	t := &Topic{h: h, name: h.topicPrefix() + cfg.Name, check: check, receive: cfg.Receive, closed: make(chan struct{})}
	t.here.moved = time.Now()
	if cfg.Members != nil {
		t.members = make(map[peer.ID]bool, len(cfg.Members))
		for _, m := range cfg.Members {
			p, err := parsePeer(m)
			if err != nil {
				return nil, fmt.Errorf("%w: topic %s: %w", ErrConfig, cfg.Name, err)
			}
			t.members[p] = true
		}
	}
	if err := h.ctx.Err(); err != nil {
		return nil, fmt.Errorf("topic %s: host %w", cfg.Name, ErrClosed)
	}
	// Members first: from here on the filter turns strangers away.
	var err error
	if t.table, err = h.topics.join(t.name, t.members, cfg.Shared); err != nil {
		return nil, fmt.Errorf("topic %s: %w", cfg.Name, err)
	}
	if err := t.enter(cfg.PublishOnly); err != nil {
		t.leave()
		return nil, fmt.Errorf("topic %s: %w", cfg.Name, err)
	}
	t.evictStrangers()
	return t, nil
}

// enter registers the validator before it subscribes: no message slips past.
func (t *Topic) enter(publishOnly bool) (err error) {
	ps := t.h.pubsub
	if err = ps.RegisterTopicValidator(t.name, t.validate, pubsub.WithValidatorInline(true)); err != nil {
		return err
	}
	if t.topic, err = ps.Join(t.name); err != nil {
		return err
	}
	if t.members != nil {
		if t.here.events, err = t.topic.EventHandler(); err != nil {
			return err
		}
	}
	if publishOnly {
		return nil
	}
	size := queueSize
	if t.receive != nil {
		size = 0
	}
	t.sub, err = t.topic.Subscribe(pubsub.WithBufferSize(size), pubsub.WithMessageFilter(func(m *pubsub.Message) bool {
		return t.receive == nil && m.ReceivedFrom != t.h.conf.id
	}))
	return err
}

// leave undoes enter.
func (t *Topic) leave() error {
	var err error
	if t.sub != nil {
		t.sub.Cancel()
	}
	if t.here.events != nil {
		t.here.events.Cancel()
	}
	if t.topic != nil {
		err = t.topic.Close()
	}
	err = errors.Join(err, t.h.pubsub.UnregisterTopicValidator(t.name))
	t.h.topics.leave(t.name, t.table)
	if t.h.ctx.Err() != nil {
		return nil // pubsub has ended and took the topic along
	}
	return err
}

// validate runs in pubsub's one validation worker, for messages that inspect let
// pass. The sender is who signed the message: a copy may come through another
// member.
func (t *Topic) validate(_ context.Context, from peer.ID, m *pubsub.Message) (verdict pubsub.ValidationResult) {
	if from == t.h.conf.id {
		return pubsub.ValidationAccept // our own; it was checked when it was made
	}
	defer func() {
		if r := recover(); r != nil {
			t.h.stats.panics.Add(1)
			log.Errorw("a topic's validator panicked", "topic", t.name, "forwarder", from.String(), "panic", r, "stack", string(debug.Stack()))
			verdict = pubsub.ValidationReject
		}
	}()
	if len(m.Data) > MaxMessage {
		return pubsub.ValidationReject
	}
	if !t.h.peers.heeded(from) { // it waited in the queue behind invalid ones
		t.h.stats.tooFast.Add(1)
		m.ValidatorData = unread
		return pubsub.ValidationIgnore
	}
	via := from.String()
	sender, opened, ok := t.check(via, m.Data)
	switch {
	case ok && opened == Unwanted:
		t.h.stats.unwanted.Add(1)
		m.ValidatorData = unread
		return pubsub.ValidationIgnore
	case !ok || !t.maySend(sender):
		return pubsub.ValidationReject
	}
	if t.receive == nil {
		m.ValidatorData = validated{sender, opened}
		return pubsub.ValidationAccept
	}
	t.receive(Delivery{From: sender, Via: via, Data: m.Data, Opened: opened})
	return pubsub.ValidationIgnore // it has arrived: pubsub need not deliver it, nor keep it for others
}

func (t *Topic) maySend(sender PeerID) bool {
	p, err := parsePeer(sender)
	if err != nil || p == t.h.conf.id {
		return false
	}
	return t.h.topics.belongs(p, t.members)
}

// evictStrangers undoes subscriptions that came before the members were known
// here. It tells whether there were any. Once there is none there will be none:
// pubsub asks the filter and lists peers in one and the same loop.
func (t *Topic) evictStrangers() bool {
	if t.clean.Load() {
		return false
	}
	found := false
	for _, p := range t.topic.ListPeers() {
		if !t.h.topics.belongs(p, t.members) {
			found = true
			t.h.stats.evicted.Add(1)
			seldom.Do(func() { log.Warnw("a stranger is subscribed to a topic", "topic", t.name, "peer", p.String()) })
			t.h.bridge.host.evict(p)
		}
	}
	t.clean.Store(!found)
	return found
}

// awaitClean waits until no stranger would get what is published.
func (t *Topic) awaitClean(ctx context.Context) error {
	for t.evictStrangers() {
		if !t.h.pauseUntil(ctx, readyPoll, t.closed) {
			return fmt.Errorf("%s: %w", t.name, context.Cause(ctx))
		}
		select {
		case <-t.closed:
			return fmt.Errorf("%s: %w", t.name, ErrClosed)
		default:
		}
	}
	return nil
}

// Publish sends data to the topic's members that are subscribed now; it does not
// wait for them. Data that was published on the topic before is not sent again:
// repeat a message over a stream. Errors: ErrTooLarge, ErrClosed, the context's.
func (t *Topic) Publish(ctx context.Context, data []byte) error {
	// pubsub itself drops what is too large and reports success.
	if len(data) > MaxMessage {
		return fmt.Errorf("%w: %d bytes for %s, at most %d are allowed", ErrTooLarge, len(data), t.name, MaxMessage)
	}
	select {
	case <-t.closed:
		return fmt.Errorf("%s: %w", t.name, ErrClosed)
	default:
	}
	if err := t.awaitClean(ctx); err != nil {
		return err
	}
	switch err := t.topic.Publish(ctx, data); {
	case err == nil:
		return nil
	case errors.Is(err, pubsub.ErrTopicClosed) || t.h.ctx.Err() != nil:
		return fmt.Errorf("%s: %w", t.name, ErrClosed)
	default:
		return fmt.Errorf("%s: %w", t.name, err)
	}
}

// Next waits for the next message of another member. Errors: ErrClosed or the
// context's.
func (t *Topic) Next(ctx context.Context) (Delivery, error) {
	if t.sub == nil || t.receive != nil {
		select {
		case <-t.closed:
			return Delivery{}, fmt.Errorf("%s: %w", t.name, ErrClosed)
		case <-t.h.ctx.Done():
			return Delivery{}, fmt.Errorf("%s: %w", t.name, ErrClosed)
		case <-ctx.Done():
			return Delivery{}, ctx.Err()
		}
	}
	// A subscription does not end with pubsub.
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.h.ctx, cancel)()
	m, err := t.sub.Next(both)
	if err != nil {
		if ctx.Err() != nil {
			return Delivery{}, ctx.Err()
		}
		return Delivery{}, fmt.Errorf("%s: %w", t.name, ErrClosed)
	}
	v, _ := m.ValidatorData.(validated)
	return Delivery{From: v.sender, Via: m.ReceivedFrom.String(), Data: m.Data, Opened: v.opened}, nil
}

// Close leaves the topic. Its name cannot be used again for ten minutes, unless it is
// Shared.
func (t *Topic) Close() (err error) {
	t.close.Do(func() {
		t.here.end(t.closed)
		err = t.leave()
	})
	return err
}
