package p2p

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

const (
	// MaxFrame is the largest frame, in bytes, that a channel may allow, and the
	// limit for sending on a channel that is not handled here.
	MaxFrame = 4 << 20

	frameTime = 30 * time.Second // for the rest of a frame that has begun
)

var (
	channelName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	reserved    = []string{"hello", "kad", "ping"}
)

// Channel is a kind of frames that this node receives.
type Channel struct {
	Name     string // at most 32 of a-z, 0-9, '-'
	MaxFrame int    // bytes, at most MaxFrame
	Roles    []Role // who may send; empty: every member, which guests (RoleExternal) are not

	// Receive is called for each frame, in order for each peer, concurrently for
	// different peers. It owns the frame. While it runs the peer's next frame
	// waits, and soon the peer's Send. Close waits for it, so it must not wait for
	// the host's end itself.
	Receive func(from PeerID, frame []byte)
}

func (c *Channel) validate() error {
	switch {
	case !channelName.MatchString(c.Name) || slices.Contains(reserved, c.Name):
		return fmt.Errorf("%w: channel name %q: use at most 32 of a-z, 0-9 and '-', and none of %v", ErrConfig, c.Name, reserved)
	case c.MaxFrame < 1 || c.MaxFrame > MaxFrame:
		return fmt.Errorf("%w: channel %s: frames of %d bytes: allow 1 to %d", ErrConfig, c.Name, c.MaxFrame, MaxFrame)
	case c.Receive == nil:
		return fmt.Errorf("%w: channel %s has no Receive", ErrConfig, c.Name)
	}
	return nil
}

// grants tells whether a member may send on the channel.
func (c *Channel) grants(m Member) bool {
	if len(c.Roles) == 0 {
		return !m.guest()
	}
	return slices.Contains(c.Roles, m.Role)
}

// inbox receives frames.
type inbox struct {
	h *Host

	mu       sync.Mutex
	channels map[string]Channel
	readers  map[streamKey]*reader
}

type streamKey struct {
	peer    peer.ID
	channel string
}

// reader is the goroutine that reads a peer's stream.
type reader struct {
	s    network.Stream
	done chan struct{}
}

func newInbox(h *Host) *inbox {
	return &inbox{h: h, channels: map[string]Channel{}, readers: map[streamKey]*reader{}}
}

// Handle registers a channel. A name is registered once; the error is an
// ErrConfig.
func (h *Host) Handle(c Channel) error {
	if err := c.validate(); err != nil {
		return err
	}
	h.in.mu.Lock()
	defer h.in.mu.Unlock()
	if _, taken := h.in.channels[c.Name]; taken {
		return fmt.Errorf("%w: channel %s is handled already", ErrConfig, c.Name)
	}
	c.Roles = slices.Clone(c.Roles)
	h.in.channels[c.Name] = c
	h.guard.SetStreamHandler(h.protocol(c.Name), func(s network.Stream) {
		h.tasks.spawn(func() { h.in.serve(c, s) })
	})
	return nil
}

// limit is the largest frame of a channel.
func (b *inbox) limit(channel string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, handled := b.channels[channel]; handled {
		return c.MaxFrame
	}
	return MaxFrame
}

// serve reads a stream of an admitted peer to its end.
func (b *inbox) serve(c Channel, s network.Stream) {
	p := s.Conn().RemotePeer()
	// Only the peer writes: there is nothing of ours that a reset could lose.
	defer s.Reset() //nolint:errcheck // nothing can be done about it
	st, admitted := b.h.peers.get(p)
	if !admitted || !c.grants(st.member) {
		b.h.stats.framesRejected.Add(1)
		seldom.Do(func() {
			log.Warnw("a peer may not use this channel", "peer", p.String(), "channel", c.Name, "role", string(st.member.Role))
		})
		return
	}
	mine := b.take(streamKey{p, c.Name}, s)
	defer b.leave(streamKey{p, c.Name}, mine)
	// The stream may have come before the host closed: then nobody else ends it.
	if b.h.ctx.Err() != nil {
		return
	}
	switch err := b.read(c, s, st.frames); {
	case err == nil, b.h.ctx.Err() != nil:
	case errors.Is(err, ErrTooLarge), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errPanic):
		b.h.stats.framesRejected.Add(1)
		seldom.Do(func() { log.Warnw("a peer's stream was reset", "peer", p.String(), "channel", c.Name, "error", err) })
	default:
		log.Debugw("a peer's stream has ended", "peer", p.String(), "channel", c.Name, "error", err)
	}
}

// take waits for the reader of the peer's earlier stream to end, so that frames
// keep their order: a peer opens another stream only when that one has failed.
func (b *inbox) take(key streamKey, s network.Stream) *reader {
	mine := &reader{s: s, done: make(chan struct{})}
	b.mu.Lock()
	earlier := b.readers[key]
	b.readers[key] = mine
	b.mu.Unlock()
	if earlier != nil {
		earlier.s.Reset() //nolint:errcheck // it ends the reader
		<-earlier.done
	}
	return mine
}

func (b *inbox) leave(key streamKey, mine *reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readers[key] == mine {
		delete(b.readers, key)
	}
	close(mine.done)
}

// seldom keeps peers from filling the log: what it skips is counted all the same.
var seldom = rate.Sometimes{First: 10, Interval: time.Second}

var errPanic = errors.New("the receiver panicked")

// read hands frames on until the stream ends; nil says that it ended cleanly.
// A peer that sends too fast waits.
func (b *inbox) read(c Channel, s network.Stream, pace *pace) error {
	r, from := bufio.NewReader(s), s.Conn().RemotePeer().String()
	for {
		frame, err := readFrame(r, c.MaxFrame, func() { s.SetReadDeadline(time.Now().Add(frameTime)) }) //nolint:errcheck // without it the read lasts longer
		if err == io.EOF {                                                                              //nolint:errorlint // readFrame returns the bare value
			return nil
		}
		if err != nil {
			return err
		}
		s.SetReadDeadline(time.Time{}) //nolint:errcheck // the next read tells
		b.h.stats.framesIn.Add(1)
		b.h.peers.heardOn(s.Conn())
		if err := pace.wait(b.h.ctx, len(frame)); err != nil {
			return err
		}
		if err := b.deliver(c, from, frame); err != nil {
			return err
		}
	}
}

// deliver keeps a panic of the receiver from ending the daemon.
func (b *inbox) deliver(c Channel, from PeerID, frame []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			b.h.stats.panics.Add(1)
			log.Errorw("a channel's receiver panicked", "channel", c.Name, "peer", from, "panic", r, "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	c.Receive(from, frame)
	return nil
}
