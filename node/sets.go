package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of the topics that stay open between the sessions of a set of signers.
const (
	setLinger   = 10 * time.Minute // after the last session
	maxIdleSets = 256              // then the least recently used are left
)

// sets are the topics on which sessions meet. All sessions of one set of signers share
// one (protocol.Spec.Topic): the first joins it, and it stays open, with the connections
// to its members, so that the next session finds everybody there. Other sessions have one
// of their own for as long as they last.
type sets struct {
	host     *p2p.Host
	validate func(m meeting, via p2p.PeerID, data []byte) (p2p.PeerID, any, bool)
	receive  func(*set, p2p.Delivery)

	mu    sync.Mutex
	of    map[string]*set // those that are shared, by name
	ended bool
}

// set is one topic.
type set struct {
	name   string
	shared bool
	topic  *p2p.Topic

	joined   chan struct{} // closed when joining has ended; then topic or err is set
	err      error
	keep     func()        // releases the members' connections
	sessions int           // that use it now
	used     time.Time     // when the last of them ended
	left     chan struct{} // closed when the topic has been left; nil until that begins
}

func newSets(host *p2p.Host, n *Node) *sets {
	return &sets{host: host, validate: n.openGossip, receive: n.receiveGossip, of: make(map[string]*set)}
}

// enter returns the topic of a session, joined. The session leaves it in the end.
func (s *sets) enter(ctx context.Context, spec *protocol.Spec) (*set, error) {
	name, shared := spec.Topic()
	if !shared {
		x := newSet(name, false)
		s.join(x, spec)
		return x, x.err
	}
	for {
		x, first, err := s.claim(name)
		switch {
		case err != nil:
			return nil, err
		case first:
			s.join(x, spec)
		case x.left != nil:
			select {
			case <-x.left:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			continue
		}
		<-x.joined // joining waits for nobody
		if x.err != nil {
			s.forget(x)
		}
		return x, x.err
	}
}

func newSet(name string, shared bool) *set {
	return &set{name: name, shared: shared, sessions: 1, joined: make(chan struct{}), keep: func() {}}
}

// claim returns a shared topic and counts the session, unless the topic is being left.
// first says that it is to be joined.
func (s *sets) claim(name string) (x *set, first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, false, ErrStopped
	}
	x = s.of[name]
	switch {
	case x == nil:
		x = newSet(name, true)
		s.of[name] = x
		return x, true, nil
	case x.left == nil:
		x.sessions++
	}
	return x, false, nil
}

func (s *sets) join(x *set, spec *protocol.Spec) {
	defer close(x.joined)
	m := meeting{topic: x.name}
	if !x.shared {
		m.only = spec.SID()
	}
	topic, err := s.host.Join(p2p.TopicConfig{
		Name: x.name, Members: spec.Peers(), Shared: x.shared,
		ValidateVia: func(via p2p.PeerID, data []byte) (p2p.PeerID, any, bool) { return s.validate(m, via, data) },
		Receive:     func(d p2p.Delivery) { s.receive(x, d) },
	})
	if err != nil {
		x.err = fmt.Errorf("session topic: %w", err)
		return
	}
	x.topic = topic
	if x.shared {
		x.keep = s.host.Keep(spec.Peers()...)
	}
}

// forget drops a shared topic that could not be joined.
func (s *sets) forget(x *set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[x.name] == x {
		delete(s.of, x.name)
	}
}

// leave ends a session's use of its topic.
func (s *sets) leave(x *set) {
	if !x.shared {
		x.close()
		return
	}
	s.mu.Lock()
	x.sessions--
	x.used = time.Now()
	surplus := s.surplusLocked()
	s.mu.Unlock()
	if surplus != nil {
		s.quit(surplus)
	}
}

// surplusLocked marks the idle topic that was used least recently as one to quit, if
// there are too many.
func (s *sets) surplusLocked() *set {
	if len(s.of) <= maxIdleSets {
		return nil
	}
	var oldest *set
	idle := 0
	for _, x := range s.of {
		if !x.idle() {
			continue
		}
		if idle++; oldest == nil || x.used.Before(oldest.used) {
			oldest = x
		}
	}
	if idle <= maxIdleSets {
		return nil
	}
	oldest.left = make(chan struct{})
	return oldest
}

// idle tells whether no session uses a shared topic, and nobody is leaving it.
func (x *set) idle() bool { return x.sessions == 0 && x.left == nil }

// expire leaves the topics that were not used for long.
func (s *sets) expire(now time.Time) {
	for _, x := range s.idleSince(now.Add(-setLinger)) {
		s.quit(x)
	}
}

// idleSince marks as to quit the topics that were not used since then.
func (s *sets) idleSince(then time.Time) (old []*set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.of {
		if x.idle() && x.used.Before(then) {
			x.left = make(chan struct{})
			old = append(old, x)
		}
	}
	return old
}

// quit leaves a topic that is marked. A session that comes meanwhile waits for it, and
// joins anew.
func (s *sets) quit(x *set) {
	x.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, x.name)
	close(x.left)
}

func (x *set) close() {
	if x.topic != nil {
		x.topic.Close() //nolint:errcheck // nothing is left to do for a topic that is left
	}
	x.keep()
}

// close leaves all topics, when no session runs any more and none follows.
func (s *sets) close() {
	s.mu.Lock()
	s.ended = true
	var leaving []chan struct{}
	for _, x := range s.of {
		if x.left != nil {
			leaving = append(leaving, x.left)
		}
	}
	s.mu.Unlock()
	for _, x := range s.idleSince(time.Now().Add(time.Hour)) {
		s.quit(x)
	}
	for _, left := range leaving {
		<-left
	}
}

// meeting is what a topic's validator knows of the topic.
type meeting struct {
	topic string       // its name
	only  protocol.SID // whose it is, or zero if sessions share it
}

// openGossip is the topics' validator: the sender is who signed the envelope. On a topic
// of its own a session hears nothing of others. One goroutine opens what is said on all
// topics, so a signature is verified only if there is room for what was signed.
func (n *Node) openGossip(m meeting, via p2p.PeerID, data []byte) (p2p.PeerID, any, bool) {
	e, err := protocol.DecodeEnvelope(data)
	if err != nil || m.only != (protocol.SID{}) && e.Header.SID != m.only {
		return "", nil, false
	}
	if n.tap != nil {
		n.tap(e.Header.From, data, true)
	}
	if !n.wants(m.topic, via, &e.Header, len(data)) {
		return "", p2p.Unwanted, true
	}
	o, err := e.Open(p2p.Verify)
	if err != nil {
		return "", nil, false
	}
	return e.Header.From, o, true
}

// wants tells whether there is room for an envelope from a topic. It believes the header, and
// so takes nothing of whom that names: anybody may have written it. For a session that is not
// known the room is that of who has passed it on, see early.
func (n *Node) wants(topic string, via p2p.PeerID, h *protocol.Header, size int) bool {
	n.mu.Lock()
	c := n.sessions[h.SID]
	n.mu.Unlock()
	if c == nil {
		return n.early.fits(via, size)
	}
	return topic == c.meeting && roleIn(c.spec, h.From) != "" && c.inbox.wants(h.From, size)
}

// receiveGossip hands an envelope of one of a topic's members to its session. It is kept
// for a session that is not known yet: the members hear of it in any order. It waits for
// nothing.
func (n *Node) receiveGossip(x *set, d p2p.Delivery) {
	o, ok := d.Opened.(*protocol.Opened) // by openGossip
	if !ok {
		return
	}
	sid := o.Header().SID
	p := packet{from: d.From, opened: o, gossip: true, size: len(d.Data)}
	n.mu.Lock()
	c := n.sessions[sid]
	if c == nil && !n.early.put(sid, earlyPacket{packet: p, topic: x.name, via: d.Via}) {
		log.Debugw("no room for an early message", "peer", d.From, "via", d.Via, "sid", sid.Short())
	}
	n.mu.Unlock()
	if c != nil {
		c.receiveGossip(x.name, p)
	}
}
