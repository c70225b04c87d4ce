package p2p

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multistream"
)

const (
	helloTimeout = 5 * time.Second        // from the connection to the end of its hello
	refusalGrace = 500 * time.Millisecond // for a refusal to arrive before the connection closes
	settleTime   = time.Second            // for pubsub to let go of a dead connection
)

// connected runs for each new connection: who dialled says hello, the other
// side closes a connection that stays silent.
func (h *Host) connected(_ network.Network, c network.Conn) {
	h.peers.connected(c)
	h.tasks.spawn(func() {
		ctx, cancel := context.WithTimeout(h.ctx, helloTimeout)
		defer cancel()
		if c.Stat().Direction == network.DirOutbound {
			if err := h.sayHello(ctx, c); err != nil {
				h.dropped(c, err)
			}
			return
		}
		p := c.RemotePeer()
		if err := h.peers.await(ctx, p, func() bool { return !c.IsClosed() }); err != nil && !c.IsClosed() {
			h.dropped(c, err)
		}
	})
}

// dropped closes a connection whose hello failed.
func (h *Host) dropped(c network.Conn, err error) {
	if h.ctx.Err() == nil && !errors.Is(err, ErrNotAdmitted) && !c.IsClosed() {
		h.stats.helloFailed.Add(1)
		log.Infow("no hello", "peer", c.RemotePeer().String(), "address", c.RemoteMultiaddr().String(), "error", err)
	}
	c.Close() //nolint:errcheck // nothing can be done about it
}

func (h *Host) disconnected(_ network.Network, c network.Conn) {
	h.out.prune(c.RemotePeer())
	if gone := h.peers.disconnected(c); gone && h.ctx.Err() == nil {
		log.Infow("peer is gone", "peer", c.RemotePeer().String())
	}
}

func (h *Host) ownHello() hello {
	return hello{Credential: h.cfg.Credential, Boot: h.boot, Software: h.cfg.Software}
}

// helloStream is one hello exchange.
type helloStream struct {
	rw io.ReadWriter
	r  *bufio.Reader
	s  network.Stream
}

func (x *helloStream) send(m hello) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	_, err = x.rw.Write(appendFrame(nil, data))
	return err
}

func (x *helloStream) receive() (hello, error) {
	data, err := readFrame(x.r, MaxHello, nil)
	if err != nil {
		return hello{}, err
	}
	return decodeHello(data)
}

// finish ends a stream: an error resets it. A reset after a good end would not
// be harmless, because QUIC then drops what the peer has not acknowledged.
func finish(s network.Stream, err error) error {
	if err != nil {
		s.Reset() //nolint:errcheck // nothing can be done about it
		return err
	}
	s.Close() //nolint:errcheck // all was said; it fails when the peer has closed before
	return nil
}

// sayHello is the dialler's side: hello, the other's hello or refusal, and our
// acceptance or refusal.
func (h *Host) sayHello(ctx context.Context, c network.Conn) (err error) {
	s, err := c.NewStream(ctx)
	if err != nil {
		return err
	}
	defer func() { err = finish(s, err) }()
	deadline, _ := ctx.Deadline()
	if err := errors.Join(s.SetProtocol(helloProtocol), s.SetDeadline(deadline)); err != nil {
		return err
	}
	// On this very connection, which host.NewStream would not promise; lazily,
	// so that the hello travels with the negotiation.
	lazy := multistream.NewMSSelect(s, helloProtocol)
	x := &helloStream{rw: lazy, r: bufio.NewReader(lazy), s: s}
	if err := x.send(h.ownHello()); err != nil {
		return err
	}
	theirs, err := x.receive()
	if err != nil {
		if errors.Is(err, ErrCredentialMalformed) {
			return h.refuse(x, err)
		}
		return err
	}
	if reason := theirs.refusal(); reason != nil {
		return h.refusedBy(c.RemotePeer(), reason)
	}
	m, err := theirs.judge(h.cfg.Authority, h.cfg.Network, c.RemotePeer().String(), time.Now())
	if err != nil {
		return h.refuse(x, err)
	}
	h.settle(ctx, c.RemotePeer(), theirs.Boot)
	if err := h.admit(c, m, theirs); err != nil {
		return h.refuse(x, err)
	}
	return x.send(hello{})
}

// answerHello is the listener's side.
func (h *Host) answerHello(s network.Stream) {
	h.tasks.spawn(func() {
		ctx, cancel := context.WithTimeout(h.ctx, helloTimeout)
		defer cancel()
		if err := finish(s, h.exchange(ctx, s)); err != nil {
			h.dropped(s.Conn(), err)
		}
	})
}

func (h *Host) exchange(ctx context.Context, s network.Stream) error {
	c := s.Conn()
	deadline, _ := ctx.Deadline()
	if err := s.SetDeadline(deadline); err != nil {
		return err
	}
	x := &helloStream{rw: s, r: bufio.NewReader(s), s: s}
	theirs, err := x.receive()
	if err != nil && !errors.Is(err, ErrCredentialMalformed) && !errors.Is(err, ErrTooLarge) {
		return err
	}
	var m Member
	if err == nil {
		m, err = theirs.judge(h.cfg.Authority, h.cfg.Network, c.RemotePeer().String(), time.Now())
	}
	if err != nil {
		return h.refuse(x, err)
	}
	h.settle(ctx, c.RemotePeer(), theirs.Boot)
	// Admitted before we answer: when the dialler knows, it may send at once.
	if err := h.admit(c, m, theirs); err != nil {
		return h.refuse(x, err)
	}
	if err := x.send(h.ownHello()); err != nil {
		return err
	}
	verdict, err := x.receive()
	if err != nil {
		return err
	}
	if reason := verdict.refusal(); reason != nil {
		return h.refusedBy(c.RemotePeer(), reason)
	}
	return nil
}

// refuse tells the peer why and gives the word time to arrive.
func (h *Host) refuse(x *helloStream, reason error) error {
	p := x.s.Conn().RemotePeer()
	err := &RefusedError{Peer: p.String(), Reason: reason}
	h.stats.refused.Add(1)
	log.Warnw("peer refused", "peer", p.String(), "address", x.s.Conn().RemoteMultiaddr().String(), "reason", reason.Error())
	if x.send(hello{Refusal: refusalCode(reason)}) == nil && x.s.CloseWrite() == nil {
		x.s.SetReadDeadline(time.Now().Add(refusalGrace))  //nolint:errcheck // then the hello's deadline holds
		io.Copy(io.Discard, io.LimitReader(x.r, MaxHello)) //nolint:errcheck // until the peer closes
	}
	// Not before: whoever waits for the hello closes the connection on it.
	h.peers.refuse(p, err)
	return err
}

func (h *Host) refusedBy(p peer.ID, reason error) error {
	err := &RefusedError{Peer: p.String(), ByRemote: true, Reason: reason}
	h.stats.refusedBy.Add(1)
	log.Warnw("refused by peer", "peer", p.String(), "reason", reason.Error())
	h.peers.refuse(p, err)
	return err
}

// settle makes room for a fresh connection of a peer: connections of earlier
// starts and those that a silent peer has given up are closed, because they may
// look alive for half a minute, and pubsub must have noticed the end of its old
// stream, or it would forget what the peer subscribes to when it notices later.
func (h *Host) settle(ctx context.Context, p peer.ID, boot uint64) {
	old := h.peers.outdated(p, boot)
	for _, c := range old {
		log.Infow("peer has restarted", "peer", p.String())
		c.Close() //nolint:errcheck // it is dead anyway
	}
	if len(h.peers.greeted(p)) > 0 && !h.keeper.heardWithin(p, probeAfter) {
		h.probe(p, settleTime, 0)
	}
	if len(old) > 0 || len(h.peers.greeted(p)) == 0 {
		ctx, cancel := context.WithTimeout(ctx, settleTime)
		defer cancel()
		h.bridge.awaitNoStream(ctx, p, boot)
	}
}

// admit lets a peer in whose hello was good. The error is ErrTooManyGuests; that
// the connection has closed shows soon enough.
func (h *Host) admit(c network.Conn, m Member, theirs hello) error {
	p := c.RemotePeer()
	expired := func() { h.tasks.spawn(func() { h.dropExpired(p, m) }) }
	fresh, err := h.peers.admit(c, m, theirs, expired)
	if err != nil {
		if errors.Is(err, ErrTooManyGuests) {
			return err
		}
		return nil
	}
	if m.guest() {
		h.restrain(p)
	}
	h.stats.admitted.Add(1)
	say := log.Debugw // a further connection
	if fresh {
		say = log.Infow
	}
	say("peer admitted", "peer", m.Peer, "role", string(m.Role), "name", m.Name, "software", theirs.Software)
	h.bridge.watch(p)
	h.seeker.met(m)
	return nil
}

// dropExpired ends the membership of a connected peer.
func (h *Host) dropExpired(p peer.ID, m Member) {
	reason := ErrCredentialExpired
	if m.guest() {
		reason = ErrPassExpired
	}
	h.drop(p, reason)
}

// drop disconnects a peer and turns it away for a moment.
func (h *Host) drop(p peer.ID, reason error) {
	err := &RefusedError{Peer: p.String(), Reason: reason}
	h.stats.refused.Add(1)
	log.Warnw("peer dropped", "peer", p.String(), "reason", reason.Error())
	h.peers.refuse(p, err)
	h.raw.Network().ClosePeer(p) //nolint:errcheck // nothing can be done about it
}
