package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// A SessionRef names a session that runs here, for whoever outlives this process.
type SessionRef struct {
	SID         protocol.SID
	Coordinator protocol.PeerID
	Kind        protocol.Kind
	Key         string
	Epoch       uint32
}

// A SessionWatch hears of every session that this party has accepted: before
// anybody else hears that it was, and after its end. Its methods are called from
// several goroutines and on the way of a signature: they must be quick.
type SessionWatch interface {
	Began(SessionRef)
	Ended(SessionRef)
}

// Bounds of telling that sessions were interrupted.
const (
	tellFirst    = 50 * time.Millisecond // pause after a coordinator could not be reached, growing
	tellMost     = time.Second
	tellLimit    = time.Minute             // afterwards it is offered like any outcome, at longer intervals
	tellAtATime  = 16                      // coordinators are dialled
	pendingTime  = 1500 * time.Millisecond // for a key that may be complete all the same
	pendingAsk   = time.Second             // for one question about it
	pendingAgain = 250 * time.Millisecond  // between two
)

// crashDetail is what coordinators are told of a session that a crash has ended.
const crashDetail = "this party's process ended unexpectedly while the session ran, and was started again: try again"

// watched tells the watch that the session begins; the returned function, that it
// has ended.
func (c *ceremony) watched() (ended func()) {
	w := c.node.cfg.Watch
	if w == nil || c.presigning() { // nobody waits for that
		return func() {}
	}
	s := c.spec
	ref := SessionRef{SID: c.sid, Coordinator: s.Coordinator, Kind: s.Kind, Key: s.Key, Epoch: s.Epoch}
	w.Began(ref)
	return func() { w.Ended(ref) }
}

// tellInterrupted tells coordinators that sessions have ended which a process
// before this one was in. They are not taken up again: what was random in them is
// lost, and to go on with other numbers would contradict what this party has signed;
// the request that is on disk since their acceptance (replay.go) refuses them.
func (n *Node) tellInterrupted(ctx context.Context) error {
	slots := make(chan struct{}, tellAtATime)
	var telling sync.WaitGroup
	for _, ref := range n.cfg.Interrupted {
		telling.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			n.tellOne(ctx, ref)
			if n.cfg.Watch != nil && ctx.Err() == nil {
				n.cfg.Watch.Ended(ref)
			}
		})
	}
	telling.Wait()
	return nil
}

// tellOne tells of one session, unless its result is on disk: then that is told.
func (n *Node) tellOne(ctx context.Context, ref SessionRef) {
	if n.hasResult(ctx, ref) || n.completed(ctx, ref) || !n.reach(ctx, ref.Coordinator) {
		return
	}
	if n.hasResult(ctx, ref) { // the key was completed meanwhile, which took up to a minute
		return
	}
	failure := &protocol.Failure{Code: protocol.CodeCrashed, Detail: crashDetail}
	log.Warnw("a session was interrupted", "sid", ref.SID.Short(), "kind", ref.Kind, "key", ref.Key, "coordinator", ref.Coordinator)
	n.outcomes.offer(ctx, ref.Coordinator, protocol.Outcome{SID: ref.SID, Failure: failure})
}

// hasResult reports whether the result of an interrupted session is on disk: to be
// told or, if a keygen's has been told, as an active share.
func (n *Node) hasResult(ctx context.Context, ref SessionRef) bool {
	if _, err := n.cfg.Store.Get(ctx, kindOutcome, ref.SID.String()); !errors.Is(err, keystore.ErrNotFound) {
		return true
	}
	if ref.Kind != protocol.KindKeygen {
		return false
	}
	record, state, err := n.made(ctx, ref.Key, ref.Epoch)
	return err == nil && state == keystore.StateActive && record.Spec.SID() == ref.SID
}

// completed reports whether an interrupted keygen has come to a good end: the
// others have completed it if they had this party's signature, and answer. Those that
// are still in the session do not; they find out when the coordinator, which has to
// hear of the crash for that, has ended it (resolve.go).
func (n *Node) completed(ctx context.Context, ref SessionRef) bool {
	if ref.Kind != protocol.KindKeygen {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, pendingTime)
	defer cancel()
	again := time.NewTicker(pendingAgain)
	defer again.Stop()
	for {
		record, _, err := n.made(ctx, ref.Key, ref.Epoch)
		if err != nil || record.Spec.SID() != ref.SID {
			return false
		}
		v, err := n.settle(ctx, ref.Key, ref.Epoch, pendingAsk)
		if err != nil || v.state != keystore.StatePending {
			return err == nil && v.state == keystore.StateActive
		}
		select {
		case <-ctx.Done():
			return false
		case <-again.C:
		}
	}
}

// reach connects to a coordinator. It is false when the node ends; a coordinator
// that stays away for long does not matter, for outcomes are offered again.
func (n *Node) reach(ctx context.Context, coordinator protocol.PeerID) bool {
	limit, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	for pause := tellFirst; limit.Err() == nil; pause = min(2*pause, tellMost) {
		if n.cfg.Host.Connect(limit, coordinator) == nil {
			break
		}
		wait := time.NewTimer(pause)
		select {
		case <-limit.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
	return ctx.Err() == nil
}
