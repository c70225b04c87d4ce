package node

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of answering one member's pulls: an answer may have every envelope of the
// session in it. Members pull once a second at most.
const (
	answerEvery = 500 * time.Millisecond
	answerBurst = 2
	answerLimit = 30 * time.Second // for one answer
)

// pulls bounds the answers to the members' pulls: one at a time to each of them.
// What is dropped is pulled again.
type pulls struct {
	mu      sync.Mutex
	members map[protocol.PeerID]*puller // at most the roster
}

type puller struct {
	rate *rate.Limiter
	busy bool // it is being answered
}

// of returns a member's entry. The caller holds mu.
func (p *pulls) of(peer protocol.PeerID) *puller {
	if p.members == nil {
		p.members = make(map[protocol.PeerID]*puller)
	}
	if p.members[peer] == nil {
		p.members[peer] = &puller{rate: rate.NewLimiter(rate.Every(answerEvery), answerBurst)}
	}
	return p.members[peer]
}

// allow tells whether a member's pull is looked at.
func (p *pulls) allow(peer protocol.PeerID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.of(peer)
	return !m.busy && m.rate.Allow()
}

// begin tells whether an answer to a member may begin; if so, end must follow.
func (p *pulls) begin(peer protocol.PeerID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.of(peer)
	if m.busy {
		return false
	}
	m.busy = true
	return true
}

func (p *pulls) end(peer protocol.PeerID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(peer).busy = false
}

// receivePull takes a member's pull. Before the session has begun nothing has been
// sent yet, and a user may take minutes to agree.
func (c *ceremony) receivePull(p packet) {
	switch {
	case !c.begun() || !c.pulls.allow(p.from):
	case !c.ended():
		c.inbox.put(p)
	default:
		c.pulledLate(p)
	}
}

// begun tells whether the session exists: the proposal was accepted and everyone
// reached.
func (c *ceremony) begun() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session != nil
}

// pulled answers a member while the session runs. It belongs to the goroutine that
// drives the session; what it sends is sent by another.
func (c *ceremony) pulled(ctx context.Context, p packet) {
	if !c.pulls.begin(p.from) {
		return
	}
	envelopes := c.session.Answer(p.from, p.pull)
	c.senders.Go(func() {
		defer c.pulls.end(p.from)
		ctx, cancel := context.WithTimeout(ctx, answerLimit)
		defer cancel()
		if err := c.sendAll(ctx, p.from, envelopes); err != nil {
			c.log.Debugw("a pull was not answered; the member will pull again", "peer", p.from, "error", err)
		}
	})
}

// pulledLate answers a member after the session has ended. A slow member holds up
// nobody: no lock is held while anything is sent.
func (c *ceremony) pulledLate(p packet) {
	if !c.pulls.begin(p.from) {
		return
	}
	started := c.node.start("answer "+c.sid.String()+" "+p.from, answerLimit, func(ctx context.Context) error {
		defer c.pulls.end(p.from)
		c.mu.Lock()
		envelopes := c.session.Answer(p.from, p.pull)
		c.mu.Unlock()
		return c.sendAll(ctx, p.from, envelopes)
	})
	if !started {
		c.pulls.end(p.from)
	}
}

// sendAll sends a member envelopes that it lacks, in their order.
func (c *ceremony) sendAll(ctx context.Context, to protocol.PeerID, envelopes [][]byte) error {
	for _, envelope := range envelopes {
		if err := c.node.sendDirect(ctx, to, protocol.DirectFrame{SID: c.sid, Envelope: envelope}); err != nil {
			return err
		}
	}
	return nil
}

// pull asks the members that hold the ceremony up for what this party lacks, and reports
// them if they have done so for long.
func (c *ceremony) pull(ctx context.Context, long bool) {
	for peer, p := range c.session.Missing() {
		c.senders.Go(func() { // not for longer than until the next pulls: they must not pile up
			ctx, cancel := context.WithTimeout(ctx, sendLimit)
			defer cancel()
			if err := c.node.sendDirect(ctx, peer, protocol.DirectFrame{SID: c.sid, Pull: p}); err != nil {
				c.log.Debugw("a pull could not be sent", "peer", peer, "error", err)
			}
		})
	}
	if long {
		c.report(ctx, c.waitsFor())
	}
}

// waitsFor lists the members that hold the ceremony up. Before its first message these are
// those that have not joined the topic, of whom the session knows nothing.
func (c *ceremony) waitsFor() []protocol.PeerID {
	if c.session.Phase() == protocol.PhaseAccepted && c.topic != nil {
		return c.topic.Missing()
	}
	return slices.Sorted(maps.Keys(c.session.Missing()))
}
