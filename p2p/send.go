package p2p

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// sendTime bounds one write: the peer reads too slowly or is dead.
const sendTime = 5 * time.Second

// outbox keeps one stream open for each peer and channel that was sent to, as long
// as its connection is open.
type outbox struct {
	h *Host

	mu      sync.Mutex
	streams map[streamKey]*outStream
}

// outStream is the sending end; whoever holds the token in turn may use s.
type outStream struct {
	turn  chan struct{}
	s     network.Stream // nil: to be opened
	users int            // calls of Send that hold it or wait for it; the outbox's mu guards it
}

func newOutbox(h *Host) *outbox { return &outbox{h: h, streams: map[streamKey]*outStream{}} }

// take is a peer's stream on a channel, until give.
func (b *outbox) take(key streamKey) *outStream {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.streams[key]
	if out == nil {
		out = &outStream{turn: make(chan struct{}, 1)}
		b.streams[key] = out
	}
	out.users++
	return out
}

func (b *outbox) give(key streamKey, out *outStream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out.users--
	b.tidy(key, out)
}

// prune forgets the peer's streams that ended with a connection. Those in use
// are forgotten by their last user: two at once would mix up the order of frames.
func (b *outbox) prune(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, out := range b.streams {
		if key.peer == p {
			b.tidy(key, out)
		}
	}
}

// tidy forgets a stream that is not used and has ended; the caller holds mu.
func (b *outbox) tidy(key streamKey, out *outStream) {
	if out.users > 0 || (out.s != nil && !out.s.Conn().IsClosed()) {
		return
	}
	delete(b.streams, key)
}

// Send writes a frame to a peer's channel, connecting to the peer if need be.
// Success says that the frame was handed to the transport, not that the peer
// has it. Frames of concurrent calls are not mixed. Errors: ErrTooLarge, ErrAddr,
// ErrUnreachable and a *RefusedError, which is an ErrNotAdmitted.
func (h *Host) Send(ctx context.Context, to PeerID, channel string, frame []byte) error {
	if !channelName.MatchString(channel) {
		return fmt.Errorf("%w: channel name %q", ErrConfig, channel)
	}
	if limit := h.in.limit(channel); len(frame) > limit {
		return fmt.Errorf("%w: a frame of %d bytes on %s, at most %d are allowed", ErrTooLarge, len(frame), channel, limit)
	}
	p, err := parsePeer(to)
	if err != nil {
		return err
	}
	if err := h.Connect(ctx, to); err != nil {
		return err
	}
	key := streamKey{p, channel}
	out := h.out.take(key)
	defer h.out.give(key, out)
	select {
	case out.turn <- struct{}{}:
		defer func() { <-out.turn }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, to, context.Cause(ctx))
	}
	return h.sendOn(ctx, out, key, appendFrame(make([]byte, 0, len(frame)+9), frame))
}

// sendOn writes to the open stream or to a new one; when the open one turns out
// to be broken it opens another, once.
func (h *Host) sendOn(ctx context.Context, out *outStream, key streamKey, data []byte) error {
	if out.s != nil {
		err := h.write(ctx, out, data)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %s: %w", ErrUnreachable, key.peer, errors.Join(err, context.Cause(ctx)))
		}
		log.Debugw("a stream was broken", "peer", key.peer.String(), "channel", key.channel, "error", err)
	}
	if err := h.open(ctx, out, key); err != nil {
		return err
	}
	if err := h.write(ctx, out, data); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, key.peer, err)
	}
	return nil
}

func (h *Host) open(ctx context.Context, out *outStream, key streamKey) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	s, err := h.guard.NewStream(ctx, key.peer, h.protocol(key.channel))
	if err != nil {
		return err
	}
	out.s = s
	return nil
}

// write drops the stream when it fails: part of a frame may be on its way.
func (h *Host) write(ctx context.Context, out *outStream, data []byte) error {
	s := out.s
	err := s.SetWriteDeadline(time.Now().Add(sendTime))
	if err == nil {
		ended := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(ended)
			s.SetWriteDeadline(time.Unix(1, 0)) //nolint:errcheck // the first deadline holds then
		})
		_, err = s.Write(data)
		if !stop() {
			<-ended // or it would cut short the next write, which is somebody else's
		}
	}
	if err != nil {
		s.Reset() //nolint:errcheck // nothing can be done about it
		out.s = nil
		return err
	}
	h.stats.framesOut.Add(1)
	return nil
}
