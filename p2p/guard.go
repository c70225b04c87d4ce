package p2p

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// streamPatience is how long an incoming stream waits for the hello. It is not
// reset at once, because pubsub gives a peer up after four resets.
const streamPatience = 2 * time.Second

// guardedHost is libp2p's host behind the hello: streams go to and come from
// admitted peers only, or only some of them. The DHT, pubsub, relaying and our
// own protocols use it.
type guardedHost struct {
	host.Host
	h     *Host
	allow func(Member) bool // nil: every admitted peer, guests too
}

// allows is nil if streams may go to and come from a peer.
func (g *guardedHost) allows(p peer.ID) error {
	if g.allow == nil {
		return nil
	}
	st, admitted := g.h.peers.get(p)
	if !admitted {
		return fmt.Errorf("%w: %s is gone", ErrUnreachable, p)
	}
	if !g.allow(st.member) {
		return fmt.Errorf("%w: %s has the role %s, which this protocol is not for", ErrNotAdmitted, p, st.member.Role)
	}
	return nil
}

func (g *guardedHost) connectedTo(p peer.ID) func() bool {
	return func() bool { return g.Network().Connectedness(p) == network.Connected }
}

// Connect dials and waits for the hello.
func (g *guardedHost) Connect(ctx context.Context, info peer.AddrInfo) error {
	if err := g.Host.Connect(ctx, info); err != nil {
		if lately := g.h.peers.lately(info.ID); lately != nil {
			return lately
		}
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, info.ID, err)
	}
	return g.await(ctx, info.ID)
}

func (g *guardedHost) await(ctx context.Context, p peer.ID) error {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	return g.h.peers.await(ctx, p, g.connectedTo(p))
}

// NewStream dials if need be, waits for the hello and opens the stream.
func (g *guardedHost) NewStream(ctx context.Context, p peer.ID, protocols ...protocol.ID) (network.Stream, error) {
	if _, admitted := g.h.peers.get(p); !admitted {
		if noDial, why := network.GetNoDial(ctx); noDial {
			return nil, fmt.Errorf("%w: %s: no dial: %s", ErrUnreachable, p, why)
		}
		if err := g.Connect(ctx, peer.AddrInfo{ID: p}); err != nil {
			return nil, err
		}
	}
	if err := g.allows(p); err != nil {
		return nil, err
	}
	s, err := g.Host.NewStream(network.WithNoDial(ctx, "only over an admitted connection"), p, protocols...)
	if err != nil {
		return nil, fmt.Errorf("%w: stream to %s: %w", ErrUnreachable, p, err)
	}
	return s, nil
}

func (g *guardedHost) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	g.Host.SetStreamHandler(id, g.guarded(handle))
}

func (g *guardedHost) SetStreamHandlerMatch(id protocol.ID, match func(protocol.ID) bool, handle network.StreamHandler) {
	g.Host.SetStreamHandlerMatch(id, match, g.guarded(handle))
}

// guarded lets a stream wait for the hello and keeps a panic of the handler from
// ending the daemon.
func (g *guardedHost) guarded(handle network.StreamHandler) network.StreamHandler {
	return func(s network.Stream) {
		p := s.Conn().RemotePeer()
		ctx, cancel := context.WithTimeout(g.h.ctx, streamPatience)
		err := g.h.peers.await(ctx, p, func() bool { return !s.Conn().IsClosed() })
		cancel()
		if err == nil {
			err = g.allows(p)
		}
		if err != nil {
			g.h.stats.streamsTurnedAway.Add(1)
			s.Reset() //nolint:errcheck // nothing can be done about it
			return
		}
		defer func() {
			if r := recover(); r != nil {
				g.h.stats.panics.Add(1)
				log.Errorw("a stream handler panicked", "peer", p.String(), "protocol", string(s.Protocol()), "panic", r, "stack", string(debug.Stack()))
				s.Reset() //nolint:errcheck // nothing can be done about it
			}
		}()
		handle(s)
	}
}
