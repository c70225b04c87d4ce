package node

import (
	"context"
	"fmt"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// meet joins the session's topic and drives the session.
func (c *ceremony) meet(ctx context.Context) error {
	topic, err := c.node.cfg.Host.Join(p2p.TopicConfig{
		Name: protocol.SessionTopic(c.sid), Members: c.spec.Peers(), Validate: c.validate,
	})
	if err != nil {
		return fmt.Errorf("session topic: %w", err)
	}
	c.topic = topic
	defer topic.Close() //nolint:errcheck // nothing is left to do for a topic that is left
	defer c.senders.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, p := range c.node.early.take(c.sid) {
		c.receive(p.from, &protocol.DirectFrame{Envelope: p.envelope}, len(p.envelope))
	}
	seen := make(chan error, 1)
	c.senders.Go(func() { seen <- topic.Ready(ctx) })
	c.senders.Go(func() { c.listen(ctx) })
	c.progress = newProgress()
	defer c.progress.due.Stop()
	c.report(ctx, nil)
	err = c.loop(ctx, seen)
	if err != nil {
		c.sayFarewell(err)
	}
	return err
}

// validate is the topic's validator: the sender is who signed the envelope.
func (c *ceremony) validate(data []byte) (p2p.PeerID, any, bool) {
	o, err := protocol.OpenEnvelope(data, p2p.Verify)
	if err != nil || o.Header().SID != c.sid {
		return "", nil, false
	}
	if c.node.tap != nil {
		c.node.tap(o.Header().From, data, true)
	}
	return o.Header().From, o, true
}

// listen moves the topic's messages into the inbox. It does not wait for anything
// there: behind the messages of one member would be those of all others.
func (c *ceremony) listen(ctx context.Context) {
	for {
		d, err := c.topic.Next(ctx)
		if err != nil {
			return // the session is over
		}
		o, ok := d.Opened.(*protocol.Opened) // by validate
		if !ok || !c.inbox.put(packet{from: d.From, opened: o, gossip: true, size: len(d.Data)}) {
			c.log.Debugw("too much of one member; a message was dropped and will be pulled", "peer", d.From)
		}
	}
}
