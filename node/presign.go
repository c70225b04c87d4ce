package node

import (
	"context"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Bounds of presigning. It is work that nobody waits for, and that an admitted
// coordinator may ask for without anybody's approval.
const (
	maxPresignings    = 4                // at a time
	maxPresigningsOf  = 2                // at a time, of one coordinator: it may name members that never come
	maxPresigningLife = 3 * time.Minute  // to the deadline
	presignedLife     = 30 * time.Second // of a signing that uses a presignature: members that were told different things never meet
	presignEvery      = 10               // begun a second for one coordinator
	presignBurst      = 2
	presignQuiet      = 100 * time.Millisecond // without live sessions, before each step
	presignPatience   = 5 * time.Second        // without so long a quiet: then any moment will do
	heldTries         = 3                      // to tell the coordinator
	heldPause         = 500 * time.Millisecond // between two
)

// presignRoomLocked refuses a presigning for which there is no room or no time now. The
// caller holds n.mu.
func (n *Node) presignRoomLocked(s *protocol.Spec) error {
	running, ofCoordinator := 0, 0
	all, ofKey := n.presigns.shares(s.Key) // with what is being made
	held, heldOfKey := all.sum(), ofKey.sum()
	for _, c := range n.sessions {
		if c.presigning() && !c.ended() {
			running++
			all[c.spec.Coordinator]++
			if c.spec.Key == s.Key {
				ofKey[c.spec.Coordinator]++
			}
			if c.spec.Coordinator == s.Coordinator {
				ofCoordinator++
			}
		}
	}
	switch {
	case n.quiet.busy():
		return refuse(protocol.CodeBusy, "this party presigns only while no session runs")
	case running >= maxPresignings:
		return refuse(protocol.CodeBusy, "this party already runs %d presignings", running)
	case ofCoordinator >= maxPresigningsOf:
		return refuse(protocol.CodeBusy, "this party already runs %d presignings of coordinator %s", maxPresigningsOf, s.Coordinator)
	case !all.hasRoom(s.Coordinator, n.cfg.MaxPresignatures):
		return refuse(protocol.CodeBusy, "this party already holds %d presignatures, of at most %d", held, n.cfg.MaxPresignatures)
	case !ofKey.hasRoom(s.Coordinator, MaxPresignaturesPerKey):
		return refuse(protocol.CodeBusy, "this party already holds %d presignatures of the key, of at most %d", heldOfKey, MaxPresignaturesPerKey)
	case !n.presignPaces.allow(s.Coordinator):
		return refuse(protocol.CodeBusy, "this party begins %d presignings a second for one coordinator", presignEvery)
	}
	return nil
}

// inspectPresign checks a presigning against the key's own record. Nobody's approval is
// asked for: a presignature is of no use until a signing, with its approvals, is bound to
// it. The request is remembered all the same: to run one session twice, with other
// random numbers, would contradict what this party has signed, and prove it a liar.
func (n *Node) inspectPresign(ctx context.Context, p proposal, role protocol.Role) (admission, error) {
	s := p.spec
	switch {
	case s.Deadline().After(time.Now().Add(maxPresigningLife)):
		return admission{}, refuse(protocol.CodeInvalid, "a presigning would live longer than %v; compare the clocks", maxPresigningLife)
	case time.Unix(s.HoldUntil, 0).After(s.Deadline().Add(maxHold)):
		return admission{}, refuse(protocol.CodeInvalid, "a presignature is held for %v at most", maxHold)
	}
	k, err := n.keyFor(ctx, p, role)
	if err != nil {
		return admission{}, err
	}
	if err := matchKey(s, &k.record.Spec); err != nil {
		return admission{}, &refusal{code: protocol.CodeInvalid, err: err}
	}
	if err := n.checkQuarantine(ctx, s, &k.record.Spec); err != nil {
		return admission{}, err
	}
	return admission{key: k, until: s.Deadline().Add(maxSessionLife)}, nil
}

// bindPresign takes the presignature that an accepted signing names and binds it to
// the signing's digest: from here on it serves this session or none.
func (n *Node) bindPresign(s *protocol.Spec, k *key) (protocol.Machine, error) {
	x, err := n.presigns.take(s, k.record.Spec.SID(), time.Now())
	if err != nil {
		return nil, err
	}
	m, err := x.Bind(s.Payload)
	if err != nil {
		x.Drop()
		return nil, refuse(protocol.CodeNoPresign, "the presignature cannot be used: %w", err)
	}
	return m, nil
}

// presigns tells whether the session is a presigning.
func (c *ceremony) presigning() bool { return c.spec.Kind == protocol.KindPresign }

// newPresign returns the machine of a presigning, and keeps what is to be held of it.
func (c *ceremony) newPresign(k *key) (protocol.Machine, error) {
	m, err := tss.NewPresign(tss.PresignConfig{SID: c.sid, Roster: c.spec.Roster, Self: c.node.cfg.Host.ID(), Share: k.share})
	if err != nil {
		return nil, err
	}
	c.presign = &presignature{sid: c.sid, spec: c.spec, made: k.record.Spec.SID(), machine: m}
	c.presign.until, c.presign.ends = lifeUntil(c.spec.HoldUntil)
	return m, nil
}

// dropPresign forgets what a presigning that has failed had made so far. The ended
// session keeps the machine, with nothing in it.
func (c *ceremony) dropPresign() {
	if c.presign != nil {
		c.presign.machine.Drop()
		c.presign = nil
	}
}

// yield lets live sessions go first: a presigning begins a step only when there has
// been none for a moment. Who signs one thing after the other is not caught between two. But
// a presigning that sees no such moment for long, for there are always a few signings a
// second, goes on between two, or none would ever be made.
func (c *ceremony) yield(ctx context.Context) error {
	if !c.presigning() {
		return nil
	}
	if c.presign == nil {
		return c.node.quiet.settle(ctx, presignQuiet)
	}
	quiet := &c.presign.quiet
	if quiet.IsZero() {
		*quiet = time.Now()
	}
	if left := presignPatience - time.Since(*quiet); left > 0 {
		patient, cancel := context.WithTimeout(ctx, left)
		defer cancel()
		if err := c.node.quiet.settle(patient, presignQuiet); err == nil {
			*quiet = time.Now()
			return nil
		}
	}
	if err := c.node.quiet.wait(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

// hold ends a presigning well: what it made is held from now on, and the coordinator
// is told by a job of its own. Of a presigning that was cancelled nothing stays.
func (c *ceremony) hold(ctx context.Context) {
	n, x := c.node, c.presign
	c.presign = nil
	if !n.presigns.put(x) {
		x.machine.Drop()
		return
	}
	limit := heldTries * (sendLimit + heldPause)
	if ctx.Err() != nil || !n.start("held "+x.sid.String(), limit, func(ctx context.Context) error { return n.tellHeld(ctx, x) }) {
		n.dropHeld(x, "its session was cancelled")
	}
	for _, y := range n.presigns.trim(x.spec.Key, n.cfg.MaxPresignatures) { // the job takes the place of one that still says that it is held
		n.start("held "+y.sid.String(), limit, func(ctx context.Context) error { return n.tellUntil(ctx, y, 0) })
	}
}

// tellHeld tells the coordinator that a presignature is held. One that it does not know
// of would be of no use to it.
func (n *Node) tellHeld(ctx context.Context, x *presignature) error {
	err := n.tellUntil(ctx, x, x.until.Unix())
	if err == nil {
		return nil
	}
	n.dropHeld(x, "its coordinator could not be told")
	return fmt.Errorf("a presignature was dropped, because its coordinator cannot be told of it: %w", err)
}

// tellUntil tells the coordinator until when a presignature is held; 0: it was dropped.
func (n *Node) tellUntil(ctx context.Context, x *presignature, until int64) error {
	frame := protocol.Frame{Held: &protocol.Held{SID: x.sid, Until: until}}
	pause := time.NewTimer(0)
	defer pause.Stop()
	var err error
	for range heldTries {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pause.C:
		}
		sending, cancel := context.WithTimeout(ctx, sendLimit)
		err = n.sendFrame(sending, x.spec.Coordinator, frame)
		cancel()
		if err == nil {
			return nil
		}
		pause.Reset(heldPause)
	}
	return err
}

// dropHeld forgets one presignature, if it is still held.
func (n *Node) dropHeld(x *presignature, why string) {
	n.presigns.drop(why, func(y *presignature) bool { return x == y })
}

// forget drops all that is held or being made for a coordinator, which has lost its
// memory of it.
func (n *Node) forget(from protocol.PeerID) {
	n.stopPresignings(fmt.Errorf("%w: it was restarted", errCancelled), func(s *protocol.Spec) bool { return s.Coordinator == from })
	n.presigns.drop("their coordinator was restarted", func(x *presignature) bool { return x.spec.Coordinator == from })
}

// rekeyed drops all that is held or being made with earlier epochs of a key than the one
// that is active from now on.
func (n *Node) rekeyed(key *protocol.Spec) {
	why := refuse(protocol.CodeCancelled, "the key has a new epoch")
	n.stopPresignings(why, func(s *protocol.Spec) bool { return s.Key == key.Key && s.Epoch < key.Epoch })
	n.presigns.rekeyed(key)
}

// stopPresignings cancels the presignings under way that match. What they have made by now
// is held: it is to be dropped afterwards.
func (n *Node) stopPresignings(why error, match func(*protocol.Spec) bool) {
	for _, c := range n.presignings(match) {
		n.jobs.Cancel(c.job(), why)
	}
}

// presignings lists the presignings under way that match.
func (n *Node) presignings(match func(*protocol.Spec) bool) []*ceremony {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []*ceremony
	for _, c := range n.sessions {
		if c.presigning() && match(c.spec) && !c.ended() {
			list = append(list, c)
		}
	}
	return list
}
