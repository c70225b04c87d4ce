package p2p

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	watchFirst = 250 * time.Millisecond // until pubsub is asked about a missing stream
	watchLast  = 4 * time.Second
)

// pubsubBridge watches pubsub's stream to each peer and mends two weaknesses of
// gossipsub as of v0.17:
//
//   - It looks at a peer when the peer is identified, and once. If opening the
//     stream failed or had failed four times before, the peer is never heard
//     again. The bridge then tells pubsub anew that the peer speaks gossipsub.
//   - When its outgoing stream to a peer ends, it forgets what the peer is
//     subscribed to, even if the incoming stream that told so lives on, on
//     another connection. The bridge then closes all connections, so that both
//     sides start afresh.
type pubsubBridge struct {
	h       *Host
	host    *pubsubHost
	emitter event.Emitter

	mu       sync.Mutex
	open     map[peer.ID]bool // pubsub has a stream to the peer
	watching map[peer.ID]bool
	changed  chan struct{} // closed and replaced when open changes
}

func newPubsubBridge(h *Host) (*pubsubBridge, error) {
	emitter, err := h.raw.EventBus().Emitter(new(event.EvtPeerProtocolsUpdated))
	if err != nil {
		return nil, fmt.Errorf("p2p: event bus: %w", err)
	}
	return &pubsubBridge{
		h: h, emitter: emitter,
		host: &pubsubHost{guardedHost: h.guard, streams: map[peer.ID]*inboundStream{}, topics: h.topics},
		open: map[peer.ID]bool{}, watching: map[peer.ID]bool{}, changed: make(chan struct{}),
	}, nil
}

func (b *pubsubBridge) set(p peer.ID, open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if open {
		b.open[p] = true
	} else {
		delete(b.open, p)
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *pubsubBridge) isOpen(p peer.ID) (bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[p], b.changed
}

// awaitNoStream waits until pubsub has no stream to the peer, or only one that is of use,
// or ctx ends: once a connection of the peer's start boot is admitted, a stream that is open
// may be that one's. Should it be an older one all the same, its end has what is admitted by
// then closed and dialled anew (OnClosedOutboundStream).
func (b *pubsubBridge) awaitNoStream(ctx context.Context, p peer.ID, boot uint64) {
	for {
		open, changed := b.isOpen(p)
		if !open || b.h.peers.startedAnew(p, boot) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// OnNewOutboundStream is called by pubsub.
func (b *pubsubBridge) OnNewOutboundStream(p peer.ID, _ protocol.ID) { b.set(p, true) }

// OnClosedOutboundStream is called by pubsub, which has just forgotten the
// peer's subscriptions.
func (b *pubsubBridge) OnClosedOutboundStream(p peer.ID) {
	// First of all: what is admitted because the stream is told to be closed is not stale.
	stale := b.h.peers.greeted(p)
	if c := b.host.bearer(p); c != nil && !slices.Contains(stale, c) { // its hello is on the way, and it may stay
		stale = append(stale, c)
	}
	b.h.topics.forget(p)
	b.set(p, false)
	b.h.tasks.spawn(func() {
		mended := false
		for _, c := range stale {
			if !c.IsClosed() {
				mended = true
				c.Close() //nolint:errcheck // nothing can be done about it
			}
		}
		if mended && b.h.ctx.Err() == nil {
			log.Debugw("connecting anew after the gossip stream ended", "peer", p.String())
			ctx, cancel := context.WithTimeout(b.h.ctx, helloTimeout)
			defer cancel()
			if err := b.h.Connect(ctx, p.String()); err != nil {
				log.Debugw("not connected anew", "peer", p.String(), "error", err)
			}
		}
		b.watch(p)
	})
}

// watch sees to it that pubsub opens a stream to an admitted peer.
func (b *pubsubBridge) watch(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watching[p] || b.open[p] {
		return
	}
	b.watching[p] = true
	b.h.tasks.spawn(func() { b.remind(p) })
}

func (b *pubsubBridge) remind(p peer.ID) {
	defer func() {
		b.mu.Lock()
		delete(b.watching, p)
		b.mu.Unlock()
	}()
	wait := time.NewTimer(watchFirst)
	defer wait.Stop()
	for pause := watchFirst; ; {
		open, changed := b.isOpen(p)
		if _, admitted := b.h.peers.get(p); open || !admitted {
			return
		}
		select {
		case <-changed:
			continue
		case <-b.h.ctx.Done():
			return
		case <-wait.C:
		}
		ev := event.EvtPeerProtocolsUpdated{Peer: p, Added: []protocol.ID{pubsub.GossipSubID_v11}}
		if err := b.emitter.Emit(ev); err != nil {
			return // the bus is closing
		}
		pause = min(2*pause, watchLast)
		wait.Reset(pause)
	}
}

// The rest of pubsub.RawTracer counts.

func (b *pubsubBridge) DeliverMessage(m *pubsub.Message) {
	if m.ReceivedFrom == b.h.conf.id {
		b.h.stats.published.Add(1)
		return
	}
	b.delivered(m)
}

func (b *pubsubBridge) delivered(m *pubsub.Message) {
	b.h.stats.delivered.Add(1)
	b.h.peers.heardFrom(m.ReceivedFrom)
}

// RejectMessage counts. A message that is invalid is its bearer's fault: a topic's
// members check each message before they pass it on. One that pubsub should ignore
// was taken by TopicConfig.Receive, unless it was left unread.
func (b *pubsubBridge) RejectMessage(m *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationIgnored:
		if m.ValidatorData != unread {
			b.delivered(m)
		}
		return
	case pubsub.RejectValidationFailed:
		b.h.peers.sentInvalid(m.ReceivedFrom)
		b.h.offence(m.ReceivedFrom)
	}
	b.h.stats.rejected.Add(1)
}
func (b *pubsubBridge) UndeliverableMessage(*pubsub.Message) { b.h.stats.undeliverable.Add(1) }
func (b *pubsubBridge) DropRPC(*pubsub.RPC, peer.ID)         { b.h.stats.droppedRPCs.Add(1) }
func (b *pubsubBridge) Join(string)                          {}
func (b *pubsubBridge) Leave(string)                         {}
func (b *pubsubBridge) Graft(peer.ID, string)                {}
func (b *pubsubBridge) Prune(peer.ID, string)                {}
func (b *pubsubBridge) ValidateMessage(*pubsub.Message)      {}
func (b *pubsubBridge) DuplicateMessage(*pubsub.Message)     {}
func (b *pubsubBridge) ThrottlePeer(peer.ID)                 {}
func (b *pubsubBridge) RecvRPC(*pubsub.RPC)                  {}
func (b *pubsubBridge) SendRPC(*pubsub.RPC, peer.ID)         {}
