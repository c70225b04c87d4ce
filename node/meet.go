package node

import (
	"context"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Times of pulls.
const (
	pullSoon = 250 * time.Millisecond // instead of pullFirst, when the topic is not settled
	unquiet  = 10 * time.Second       // how long it is not, after a member has come or left
)

// meet joins the session's topic and drives the session.
func (c *ceremony) meet(ctx context.Context) error {
	set, err := c.node.sets.enter(ctx, c.spec)
	if err != nil {
		return err
	}
	c.topic = set.topic
	defer c.node.sets.leave(set)
	defer c.senders.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c.takeEarly()
	seen := make(chan error, 1)
	c.senders.Go(func() { seen <- c.topic.Ready(ctx) })
	c.progress = newProgress()
	defer c.progress.due.Stop()
	c.report(ctx, nil)
	err = c.loop(ctx, seen)
	if err != nil {
		err = c.because(ctx, err)
		c.sayFarewell(err)
	}
	return err
}

// takeEarly takes what the members said before the session was known here.
func (c *ceremony) takeEarly() {
	for _, p := range c.node.early.take(c.sid) {
		if p.opened != nil {
			c.receiveGossip(p.topic, p.packet)
			continue
		}
		c.receive(p.from, &protocol.DirectFrame{Envelope: p.envelope}, p.size)
	}
}

// receiveGossip takes what somebody has said on a topic: a member, and on the session's.
// It does not block: what does not fit is dropped, and pulled.
func (c *ceremony) receiveGossip(topic string, p packet) {
	if topic != c.meeting || roleIn(c.spec, p.from) == "" {
		return
	}
	if !c.inbox.put(p) {
		c.log.Debugw("too much of one member, or too late; a message was dropped", "peer", p.from)
	}
}

// pullWait is how long the session waits for progress before the first pull. Around the
// time when a member has come to the topic, or was there a moment ago as an earlier start
// of itself, a message may have been lost that nothing but a pull brings.
func (c *ceremony) pullWait() time.Duration {
	if c.spec.Kind != protocol.KindKeygen && time.Since(c.topic.Moved()) < unquiet {
		return pullSoon
	}
	return pullFirst
}
