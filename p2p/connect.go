package p2p

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
)

// Connect returns when a connection to the peer stands and its hello has passed.
// The address is one known from before or from the DHT. Errors: ErrAddr,
// ErrUnreachable, and a *RefusedError, which is an ErrNotAdmitted.
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
	known := len(h.raw.Peerstore().Addrs(p)) > 0 || h.raw.Network().Connectedness(p) == network.Connected
	if known {
		// Half of the time, so that the DHT is asked while there is some left: the
		// peer may have moved.
		dial, cancel := h.share(ctx)
		err = h.guard.Connect(dial, peer.AddrInfo{ID: p})
		cancel()
		if err == nil || errors.Is(err, ErrNotAdmitted) {
			return err
		}
	}
	info, found := h.dht.FindPeer(ctx, p)
	if found != nil {
		if err == nil {
			err = fmt.Errorf("%w: the DHT does not know %s: %w", ErrUnreachable, id, found)
		}
		return err
	}
	h.clearBackoff(id)
	return h.guard.Connect(ctx, info)
}

// share is a part of the time that ctx leaves.
func (h *Host) share(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithTimeout(ctx, time.Until(deadline)/2)
	}
	return context.WithTimeout(ctx, helloTimeout)
}

// keepBootstrap stays connected to the configured bootstrap nodes, whose
// addresses do not age.
func (h *Host) keepBootstrap() {
	for _, info := range h.conf.bootstrap {
		if info.ID != h.conf.id {
			h.raw.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.PermanentAddrTTL)
			h.Keep(info.ID.String())
		}
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
func (h *Host) pingOnce(ctx context.Context, p peer.ID) (took time.Duration, err error) {
	start := time.Now()
	s, err := h.guard.NewStream(ctx, p, h.protocol("ping"))
	if err != nil {
		return 0, err
	}
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
	if err != nil {
		return 0, fmt.Errorf("%w: ping %s: %w", ErrUnreachable, p, errors.Join(err, ctx.Err()))
	}
	h.peers.heardFrom(p)
	return time.Since(start), nil
}

// answerPing echoes one ping.
func (h *Host) answerPing(s network.Stream) {
	h.peers.heardFrom(s.Conn().RemotePeer())
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
