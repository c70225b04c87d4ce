package engine

import (
	"context"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// invite starts, for each member, the proposal and the watch over its life.
func (a *attempt) invite(ctx context.Context) error {
	frame, err := protocol.Marshal(protocol.Frame{Propose: &protocol.Propose{Spec: *a.spec}})
	if err != nil {
		return err
	}
	withShare := frame
	if a.share != "" {
		if withShare, err = protocol.Marshal(protocol.Frame{Propose: &protocol.Propose{Spec: *a.spec, UserShare: a.share}}); err != nil {
			return err
		}
	}
	quiet := time.Duration(0)
	if a.resumed {
		quiet = resumeQuiet
	}
	for _, m := range a.members {
		if m.finished {
			continue
		}
		if time.Now().Before(a.spec.Deadline()) {
			own := frame
			if m.Role == protocol.Delegate {
				own = withShare
			}
			a.e.spawn(func() { a.propose(ctx, m, own) })
		}
		a.e.spawn(func() { a.watch(ctx, m, quiet) })
	}
	return nil
}

// propose sends the spec until the member answers.
func (a *attempt) propose(ctx context.Context, m *member, frame []byte) {
	again := time.NewTicker(resendEvery)
	defer again.Stop()
	for {
		select {
		case <-m.answered:
			return
		default:
		}
		sending, cancel := context.WithTimeout(ctx, sendTimeout)
		err := a.e.cfg.Mesh.Send(sending, m.Peer, protocol.ChannelDispatch, frame)
		cancel()
		if err != nil && ctx.Err() == nil {
			log.Debugw("a proposal was not sent", "session", a.session, "sid", a.sid.Short(), "party", m.Peer, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-m.answered:
			return
		case <-again.C:
		}
	}
}

// watch pings a member and reports it when it misses too many in a row. A frame
// or a heartbeat is as good as an answer: a busy party may be slow to answer.
func (a *attempt) watch(ctx context.Context, m *member, quiet time.Duration) {
	if !sleep(ctx, quiet) {
		return
	}
	if !a.asked && !a.resumed {
		a.greet(ctx, m)
	}
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	most := maxMisses
	switch {
	case m.Role == protocol.External:
		most = deviceMisses
	case a.spec.Kind == protocol.KindKeygen:
		most = keygenMisses
	}
	for misses := 0; misses < most; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		pinging, cancel := context.WithTimeout(ctx, pingEvery)
		_, err := a.e.cfg.Mesh.Ping(pinging, m.Peer)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil, a.heardSince(m, began):
			misses = 0
		default:
			misses++
		}
	}
	a.lost <- m.Peer
}

// greet finds out early whether a member is there that was not pinged before.
func (a *attempt) greet(ctx context.Context, m *member) {
	began := time.Now()
	if !sleep(ctx, firstPing) || m.heard.Load() != 0 || a.heardSince(m, began) {
		return
	}
	pinging, cancel := context.WithTimeout(ctx, firstPong)
	defer cancel()
	if _, err := a.e.cfg.Mesh.Ping(pinging, m.Peer); err != nil && ctx.Err() == nil && !a.heardSince(m, began) {
		a.absent <- m.Peer // has room for every member
	}
}

// heardSince reports whether the member has shown a sign of life after t.
func (a *attempt) heardSince(m *member, t time.Time) bool {
	known, ok := a.e.cfg.Pool.Party(m.Peer)
	return m.heard.Load() > t.UnixNano() || (ok && known.Heard.After(t))
}

// sleep waits for d; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// cancel tells the members that have not finished that the attempt is over.
func (a *attempt) cancel(reason string) {
	for _, m := range a.members {
		if !m.finished && !m.failed {
			a.e.send(m.Peer, protocol.Frame{Cancel: &protocol.Cancel{SID: a.sid, Reason: reason}})
		}
	}
}

// ack tells a party that its result is durable.
func (e *Engine) ack(to protocol.PeerID, sid protocol.SID) {
	e.send(to, protocol.Frame{Ack: &protocol.Ack{SID: sid}})
}

// ackWhenDurable returns ack in the form that the registry calls.
func (e *Engine) ackWhenDurable(to protocol.PeerID, sid protocol.SID) func(error) {
	return e.whenDurable(to, &protocol.Ack{SID: sid})
}

// ackFailure is ackWhenDurable for a failure: a result that the party tells after it
// is not acknowledged with it.
func (e *Engine) ackFailure(to protocol.PeerID, sid protocol.SID) func(error) {
	return e.whenDurable(to, &protocol.Ack{SID: sid, Failure: true})
}

func (e *Engine) whenDurable(to protocol.PeerID, ack *protocol.Ack) func(error) {
	return func(err error) {
		if err != nil {
			log.Errorw("an outcome could not be recorded; the party keeps it and will send it again", "party", to, "sid", ack.SID.Short(), "error", err)
			return
		}
		e.send(to, protocol.Frame{Ack: ack})
	}
}

// send sends a frame once, without waiting: the other side repeats what needs an
// answer.
func (e *Engine) send(to protocol.PeerID, f protocol.Frame) {
	e.spawn(func() {
		data, err := protocol.Marshal(f)
		if err != nil {
			log.Errorw("a frame could not be encoded", "error", err)
			return
		}
		ctx, cancel := context.WithTimeout(e.ctx, sendTimeout)
		defer cancel()
		if err := e.cfg.Mesh.Send(ctx, to, protocol.ChannelDispatch, data); err != nil {
			log.Debugw("a frame was not sent", "party", to, "error", err)
		}
	})
}
