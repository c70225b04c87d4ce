package node

import (
	"context"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// Times and bounds of completing keys.
const (
	resolveEvery  = time.Minute
	resolveLimit  = 30 * time.Second       // for one round over pending keys, and for one endorsement
	settleFirst   = 200 * time.Millisecond // after the session of a key that is pending has ended, growing
	settleSoonFor = resolveEvery
	promptEvery   = time.Second // questions that one coordinator's proposals bring about, on average
	promptBurst   = 8
)

// resolver ends keygens that were interrupted between the two saves: a member that
// has its share on disk may always sign the certificate, and when all have signed
// the key is active, whatever became of the session. Who has none and will never
// sign says so, and then there will never be a key (abandon.go).
type resolver struct {
	desk   *desk
	prompt *paces // by coordinator
	agenda agenda

	doubtful sync.Map // by protocol.SID: keygens whose share could not be saved, see doubt
	liars    sync.Map // by liar: those that the log names

	mu        sync.Mutex // held over reading a state and saving the next one, never over sending
	heard     map[string]*protocol.Certificate
	abandons  map[string]map[protocol.PeerID]*protocol.Abandon // as heard; by share id
	without   map[string]map[protocol.PeerID]protocol.SID      // who will never complete the attempt, by share id
	whole     map[string]map[protocol.PeerID]protocol.SID      // who shows a certificate against this party's pledge, by share id
	inquiries map[*inquiry]struct{}
}

func newResolver() *resolver {
	return &resolver{
		desk: newDesk(), prompt: newPaces(rate.Every(promptEvery), promptBurst),
		heard: make(map[string]*protocol.Certificate), abandons: make(map[string]map[protocol.PeerID]*protocol.Abandon),
		without: make(map[string]map[protocol.PeerID]protocol.SID), whole: make(map[string]map[protocol.PeerID]protocol.SID),
		inquiries: make(map[*inquiry]struct{}),
	}
}

// resolveLoop asks the members of pending keys for their signatures, at the
// start and now and then.
func (n *Node) resolveLoop(ctx context.Context) error {
	tick := time.NewTicker(resolveEvery)
	defer tick.Stop()
	for after := n.settleSoon; ; after = nil { // at the start the members may not be connected yet
		n.start("resolve", resolveLimit, func(ctx context.Context) error { return n.resolve(ctx, after) })
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// resolve asks the members of pending keys what they know of them, and calls after,
// unless it is nil, with those of the newest keys that are still pending.
func (n *Node) resolve(ctx context.Context, after func(keyID string, epoch uint32)) error {
	turn, all, err := n.resolver.agenda.round(ctx, n.cfg.Store)
	if err != nil {
		return err
	}
	n.resolver.forget(all)
	var asking errgroup.Group
	asking.SetLimit(resolveAtATime)
	for i, k := range turn {
		asking.Go(func() error {
			if len(n.keygens(k.key)) > 0 {
				return nil // it completes the key, or asks by itself
			}
			v, err := n.settle(ctx, k.key, k.epoch, sendLimit)
			switch {
			case err != nil:
				log.Warnw("a pending share is left as it is; it will be tried again", "key", k.key, "error", err)
			case v.state == keystore.StatePending && after != nil && i < resolveNewest:
				after(k.key, k.epoch)
			}
			return nil
		})
	}
	return asking.Wait()
}

// settleSoon asks about a key, if it is pending, again and again for a while: its
// session or this party's absence has just ended, and the others are there or will be
// in a moment. Later resolve does that.
func (n *Node) settleSoon(keyID string, epoch uint32) {
	n.start("settle "+shareID(keyID, epoch), settleSoonFor, func(ctx context.Context) error {
		for pause := settleFirst; ; pause *= 2 {
			if _, state, err := n.made(ctx, keyID, epoch); err != nil || state != keystore.StatePending {
				return nil
			}
			wait := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				wait.Stop()
				return nil
			case <-wait.C:
			}
			if len(n.keygens(keyID)) > 0 {
				return nil // see resolve
			}
			if _, err := n.settle(ctx, keyID, epoch, retryLimit); err != nil && ctx.Err() == nil {
				return err
			}
		}
	})
}

// forget drops what was heard of keys that are no longer pending.
func (r *resolver) forget(pending map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.heard, func(id string, _ *protocol.Certificate) bool { return !pending[id] })
	maps.DeleteFunc(r.abandons, func(id string, _ map[protocol.PeerID]*protocol.Abandon) bool { return !pending[id] })
	for _, heard := range []map[string]map[protocol.PeerID]protocol.SID{r.without, r.whole} {
		maps.DeleteFunc(heard, func(id string, _ map[protocol.PeerID]protocol.SID) bool { return !pending[id] })
	}
}

// keygens returns the sessions under way that make a key. They complete it, or
// put another one in its place.
func (n *Node) keygens(keyID string) []*ceremony {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.keygensLocked(keyID)
}

func (n *Node) keygensLocked(keyID string) []*ceremony {
	var list []*ceremony
	for _, c := range n.sessions {
		if c.spec.Kind == protocol.KindKeygen && c.spec.Key == keyID && !c.ended() {
			list = append(list, c)
		}
	}
	return list
}

// underWay tells whether an attempt has not ended here. When it has, it writes
// nothing any more.
func (n *Node) underWay(sid protocol.SID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.sessions[sid]
	return c != nil && !c.ended()
}

// made is heldShare of this party's store.
func (n *Node) made(ctx context.Context, keyID string, epoch uint32) (protocol.KeyRecord, keystore.State, error) {
	return heldShare(ctx, n.cfg.Store, keyID, epoch)
}
