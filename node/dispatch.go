package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/meshmpc/mpcd/protocol"
)

const (
	sendLimit = 5 * time.Second // for one message to a coordinator

	// MaxSessionsPerCoordinator bounds the sessions that one coordinator has under way
	// at a party. Members have no such bound: they propose nothing, and by naming a
	// party in its sessions one coordinator could use up that party's room with others.
	MaxSessionsPerCoordinator = 64

	// refusalsPerPeer bounds the refusals that are on their way to one coordinator.
	// One that does not read them is not answered: it will ask again.
	refusalsPerPeer = 64
)

// receiveDispatch takes a frame of an admitted coordinator. It must not block:
// work goes into jobs.
func (n *Node) receiveDispatch(from protocol.PeerID, data []byte) {
	f, err := protocol.DecodeFrame(data)
	if err != nil {
		seldom.Do(func() { log.Warnw("a coordinator sent a frame that cannot be read", "coordinator", from, "error", err) })
		return
	}
	switch {
	case f.Propose != nil:
		n.propose(from, proposal{spec: &f.Propose.Spec, userShare: f.Propose.UserShare})
	case f.Cancel != nil:
		n.cancel(from, f.Cancel)
	case f.Ack != nil:
		n.outcomes.acknowledge(from, f.Ack)
	case f.ShareRequest != nil:
		n.shareRequest(from, f.ShareRequest)
	case f.Forget != nil:
		n.forget(from)
	default:
		seldom.Do(func() { log.Warnw("a coordinator sent a frame that is for coordinators", "coordinator", from) })
	}
}

// propose starts the job of a session. A copy of a known proposal is answered
// again, because the first answer may have been lost; a user's share that only the
// copy has is of no consequence.
func (n *Node) propose(from protocol.PeerID, p proposal) {
	c, known, refused := n.enlist(from, p)
	switch {
	case known:
		c.tellAgain()
		c.answerAgain()
	case refused != nil:
		c.spec.Coordinator = from // the answer goes to who asked
		n.refuse(c, from, refused)
	}
}

// tellAgain is for a copy of the proposal of a session that has ended here, or was refused because
// it had ended before: a result that is not acknowledged is told again. A signing's failure was told
// once, which may be lost; then the answer says that nothing more comes.
func (c *ceremony) tellAgain() {
	if !c.ended() || c.node.outcomes.again(c.sid) {
		return
	}
	if c.spec.Kind == protocol.KindSign && !c.told && c.accepted() {
		c.decide(&refusal{code: protocol.CodeCrashed, err: errNoResult})
	}
}

// passing tells whether a session was refused for what may have passed: the store did not
// do what it was asked for. Its proposal is then looked at as if it had not come before.
func (c *ceremony) passing() bool {
	if !c.ended() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered != nil && c.answered.Code == protocol.CodeStorage
}

// refuse sends a refusal, unless too many are on their way to the coordinator.
func (n *Node) refuse(c *ceremony, from protocol.PeerID, refused error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refusing[from] >= refusalsPerPeer {
		return
	}
	c.decide(refused)
	started := n.start("refuse "+c.sid.String(), sendLimit, func(ctx context.Context) error {
		defer n.refused(from)
		return c.answer(ctx)
	})
	if started {
		n.refusing[from]++
	}
}

func (n *Node) refused(from protocol.PeerID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refusing[from]--; n.refusing[from] == 0 {
		delete(n.refusing, from)
	}
}

// enlist returns the session of a proposal: a known one, a new one whose job was
// started, or one that is refused. It waits for nothing and nobody.
func (n *Node) enlist(from protocol.PeerID, p proposal) (c *ceremony, known bool, refused error) {
	spec, sid := p.spec, p.spec.SID()
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.sessions[sid]; c != nil && !c.passing() {
		return c, true, nil
	}
	c = newCeremony(n, sid, p)
	switch {
	case spec.Coordinator != from:
		return c, false, refuse(protocol.CodeInvalid, "the spec names another coordinator")
	case n.draining.Load():
		return c, false, refuse(protocol.CodeDraining, "this party is shutting down")
	}
	if err := n.roomLocked(spec); err != nil {
		return c, false, err
	}
	if spec.Kind == protocol.KindKeygen {
		c.after = n.keygensLocked(spec.Key)
	}
	n.sessions[sid] = c
	n.live.add(c, 1)
	limit := min(time.Until(spec.Deadline()), maxSessionLife)
	if len(spec.Presign) != 0 && n.cfg.Consent == nil { // no user is asked first
		limit = min(limit, presignedLife)
	}
	if !n.start(c.job(), max(limit, time.Second), c.run) {
		delete(n.sessions, sid)
		n.live.add(c, -1)
	}
	return c, false, nil
}

// roomLocked refuses a session for which there is no room: this party runs as many
// as it can, or as many of the coordinator's as are allowed, so that one of them
// does not take the room of the others. Nor does one begin more that leaves unacknowledged
// what came of the earlier ones, which this party keeps for it.
func (n *Node) roomLocked(s *protocol.Spec) error {
	if s.Kind == protocol.KindPresign {
		return n.presignRoomLocked(s)
	}
	if n.live.all >= n.cfg.MaxSessions {
		return refuse(protocol.CodeBusy, "this party already runs %d sessions", n.cfg.MaxSessions)
	}
	if n.live.of[s.Coordinator] >= MaxSessionsPerCoordinator {
		return refuse(protocol.CodeBusy, "this party already runs %d sessions of coordinator %s", MaxSessionsPerCoordinator, s.Coordinator)
	}
	if count, bytes, tooMuch := n.outcomes.unacknowledged(s.Coordinator); tooMuch {
		if n.outcomes.again(s.SID()) {
			return refuse(protocol.CodeReplay, "this party took part in the attempt before: acknowledge its outcome, which is told again now")
		}
		return refuse(protocol.CodeBusy, "this party keeps %d outcomes (%d KiB) that coordinator %s has not acknowledged: acknowledge them, they are told again and again", count, bytes>>10, s.Coordinator)
	}
	return nil
}

// start starts a job; false if the node has stopped.
func (n *Node) start(name string, limit time.Duration, fn func(context.Context) error) bool {
	return n.jobs.Start(name, limit, fn) == nil
}

// cancel ends a session for its coordinator, and drops what a presigning has made.
func (n *Node) cancel(from protocol.PeerID, f *protocol.Cancel) {
	n.mu.Lock()
	c := n.sessions[f.SID]
	n.mu.Unlock()
	if c != nil && c.spec.Coordinator == from {
		n.jobs.Cancel(c.job(), fmt.Errorf("%w: %s", errCancelled, f.Reason))
	}
	n.presigns.drop("their coordinator has no use for them", func(x *presignature) bool { // after it: see hold
		return x.sid == f.SID && x.spec.Coordinator == from
	})
}

// errCancelled is the cause of a session that its coordinator ended.
var errCancelled = errors.New("cancelled by the coordinator")

// receiveDirect takes a frame of another party.
func (n *Node) receiveDirect(from protocol.PeerID, data []byte) {
	if n.tap != nil {
		n.tap(from, data, false)
	}
	f, err := protocol.DecodeDirectFrame(data)
	if err != nil {
		seldom.Do(func() { log.Warnw("a party sent a frame that cannot be read", "peer", from, "error", err) })
		return
	}
	if f.Endorse != nil {
		n.endorsed(from, f.Endorse, len(data))
		return
	}
	// A guest's early messages are not kept: they are pulled once it is known that
	// the session's roster names it.
	keep := f.Pull == nil && !n.guest(from)
	n.mu.Lock()
	c := n.sessions[f.SID]
	if c == nil && keep && !n.early.put(f.SID, earlyPacket{packet: packet{from: from, size: len(data)}, envelope: f.Envelope}) {
		log.Debugw("no room for an early message", "peer", from, "sid", f.SID.Short())
	}
	n.mu.Unlock()
	if c != nil {
		c.receive(from, f, len(data))
	}
}

// seldom keeps a peer from filling the log.
var seldom = rate.Sometimes{First: 10, Interval: time.Second}

// sendDirect sends a frame to another party.
func (n *Node) sendDirect(ctx context.Context, to protocol.PeerID, f protocol.DirectFrame) error {
	data, err := protocol.Marshal(f)
	if err != nil {
		return err
	}
	return n.cfg.Host.Send(ctx, to, protocol.ChannelDirect, data)
}
