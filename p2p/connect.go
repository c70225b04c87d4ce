package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Connect returns when a connection to the peer stands and its hello has passed.
// It tries the addresses known from before, those in the DHT, and the relays of
// the bootstrap nodes. Errors: ErrAddr, ErrUnreachable, and a *RefusedError,
// which is an ErrNotAdmitted.
func (h *Host) Connect(ctx context.Context, id PeerID) error {
	p, err := parsePeer(id)
	switch {
	case err != nil:
		return err
	case p == h.conf.id:
		return fmt.Errorf("%w: %s is this node", ErrAddr, id)
	}
	if _, admitted := h.peers.get(p); admitted {
		return nil
	}
	if h.ctx.Err() != nil {
		return fmt.Errorf("host %w", ErrClosed)
	}
	h.clearBackoff(id)
	return h.race(ctx, p)
}

// insist stays connected to a peer until ctx ends: a guest may not have a slot on
// a relay yet, and a connection of a moment ago may be one of an earlier start.
func (h *Host) insist(ctx context.Context, p peer.ID) {
	wait := newBackoff(redialFirst, redialLast)
	for ctx.Err() == nil {
		err := h.Connect(ctx, p.String())
		switch {
		case err == nil:
			wait.Reset()
			h.keeper.waitLost(ctx, p)
		case errors.Is(err, ErrClosed):
			return
		default:
			h.pause(ctx, retryAfter(err, wait.NextBackOff()))
		}
	}
}

// keepBootstrap stays connected to the configured bootstrap nodes.
func (h *Host) keepBootstrap() {
	for _, relay := range h.slots.relays {
		h.Keep(relay.String())
	}
}

const pingSize = 8 // bytes

// Ping asks the peer for a sign of life, connecting to it if need be, and
// returns how long the answer took. Errors are those of Connect, and
// ErrUnreachable when no answer comes before ctx ends or within 5 s.
func (h *Host) Ping(ctx context.Context, id PeerID) (time.Duration, error) {
	if id == h.ID() {
		return 0, nil
	}
	if err := h.Connect(ctx, id); err != nil {
		return 0, err
	}
	p, err := parsePeer(id)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	return h.pingOnce(ctx, p)
}

// pingOnce pings over a stream of its own: a kept-open one would not show that
// the peer still accepts streams.
func (h *Host) pingOnce(ctx context.Context, p peer.ID) (time.Duration, error) {
	start := time.Now()
	s, err := h.guard.NewStream(ctx, p, h.protocol("ping"))
	if err != nil {
		return 0, err
	}
	if err := h.askEcho(ctx, s); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}

// pingOn pings over one connection of the peer's.
func (h *Host) pingOn(ctx context.Context, c network.Conn) error {
	s, err := openOn(ctx, c, h.protocol("ping"))
	if err != nil {
		return err
	}
	return h.askEcho(ctx, s)
}

// askEcho asks over a stream and ends it.
func (h *Host) askEcho(ctx context.Context, s network.Stream) (err error) {
	defer s.Reset()                                      //nolint:errcheck // after a Close it does nothing
	defer context.AfterFunc(ctx, func() { s.Reset() })() //nolint:errcheck // it only ends the read below
	var question, answer [pingSize]byte
	question[0] = 1
	if _, err = s.Write(question[:]); err == nil {
		_, err = io.ReadFull(s, answer[:])
	}
	if err == nil && answer != question {
		err = errors.New("a wrong answer")
	}
	p := s.Conn().RemotePeer()
	if err != nil {
		return fmt.Errorf("%w: ping %s: %w", ErrUnreachable, p, errors.Join(err, ctx.Err()))
	}
	h.peers.heardOn(s.Conn())
	return nil
}

// answerPing echoes one ping.
func (h *Host) answerPing(s network.Stream) {
	h.peers.heardOn(s.Conn())
	err := s.SetDeadline(time.Now().Add(helloTimeout))
	if err == nil {
		_, err = io.CopyN(s, s, pingSize)
	}
	finish(s, err) //nolint:errcheck // the asker sees it too
}

// ConnectAt connects to a peer at one of the addresses given, as [Host.Addrs]
// gives them, all of one peer. The addresses are remembered for an hour. Errors
// are those of Connect.
func (h *Host) ConnectAt(ctx context.Context, addrs ...string) error {
	var id peer.ID
	for _, a := range addrs {
		info, err := parsePeerAddr(a)
		if err != nil {
			return err
		}
		if id != "" && id != info.ID {
			return fmt.Errorf("%w: addresses of two peers, %s and %s", ErrAddr, id, info.ID)
		}
		id = info.ID
		h.raw.Peerstore().AddAddrs(id, info.Addrs, addrLife)
	}
	return h.Connect(ctx, id.String())
}

// Hint tells where a peer may be reached, as its [Host.Addrs] said: something
// learnt elsewhere that is tried and not trusted, for an hour. Errors are
// ErrAddr; the good addresses are used nevertheless.
func (h *Host) Hint(id PeerID, addrs ...string) error {
	p, err := parsePeer(id)
	if err != nil {
		return err
	}
	var bad error
	for _, a := range addrs {
		info, err := parsePeerAddr(a)
		if err == nil && info.ID != p {
			err = fmt.Errorf("%w: %q is an address of another peer than %s", ErrAddr, a, id)
		}
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		h.raw.Peerstore().AddAddrs(p, info.Addrs, addrLife)
	}
	return bad
}

const addrLife = time.Hour
