package node

import (
	"context"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// HeartbeatInterval is the time between two heartbeats.
const HeartbeatInterval = time.Second

// beatPause is the least time between two heartbeats, but for the one that says that
// this party stops: what changes with every session is told four times a second.
const beatPause = HeartbeatInterval / 4

// beat asks for a heartbeat at once, because something in it has changed.
func (n *Node) beat() {
	select {
	case n.beatNow <- struct{}{}:
	default: // one is asked for already
	}
}

// heartbeats publishes this party's state on the pool topic until ctx ends.
func (n *Node) heartbeats(ctx context.Context) error {
	topic, err := n.cfg.Host.Join(p2p.TopicConfig{Name: protocol.TopicPool, Validate: validHeartbeat, PublishOnly: true})
	if err != nil {
		return fmt.Errorf("node: pool topic: %w", err)
	}
	defer topic.Close() //nolint:errcheck // the host is closing
	for seq := uint64(1); ; seq++ {
		data, err := protocol.SealHeartbeat(n.cfg.Host, n.heartbeat(ctx, seq))
		if err == nil {
			err = topic.Publish(ctx, data)
		}
		if err != nil && ctx.Err() == nil {
			log.Warnw("heartbeat was not sent", "error", err)
		}
		if !n.awaitBeat(ctx) {
			return nil
		}
	}
}

// awaitBeat waits until the next heartbeat is due; false when ctx ends.
func (n *Node) awaitBeat(ctx context.Context) bool {
	pause, interval := time.NewTimer(beatPause), time.NewTimer(HeartbeatInterval)
	defer pause.Stop()
	defer interval.Stop()
	for early, asked := true, false; early || !asked; {
		select {
		case <-ctx.Done():
			return false
		case <-interval.C:
			return true
		case <-pause.C:
			early = false
		case <-n.beatNow:
			if asked = true; n.draining.Load() {
				return true
			}
		}
	}
	return true
}

func (n *Node) heartbeat(ctx context.Context, seq uint64) protocol.Heartbeat {
	held := n.presigns.count()
	return protocol.Heartbeat{
		Network: n.cfg.Network, Boot: n.cfg.Host.BootID(), Seq: seq, Time: time.Now().UnixMilli(),
		Software: n.cfg.Software, Labels: n.cfg.Labels, Sessions: n.running(),
		Stock: n.pool.stock(ctx), Keys: n.keys.count(ctx), Draining: n.draining.Load(),
		SealKey: n.seal.statement(time.Now()), Held: held,
	}
}

// validHeartbeat is the pool topic's validator.
func validHeartbeat(data []byte) (p2p.PeerID, any, bool) {
	h, err := protocol.OpenHeartbeat(data, p2p.Verify)
	if err != nil {
		return "", nil, false
	}
	return h.Peer, nil, true
}
