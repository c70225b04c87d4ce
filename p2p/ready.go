package p2p

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// readyPoll is how often a topic that waits for members looks at the list of peers:
// not everything that makes one reachable is an event.
const readyPoll = 10 * time.Millisecond

// presence is what a topic knows about who is on it. A look at the list goes through
// pubsub's loop, so what was seen holds until something says that it may not.
type presence struct {
	events *pubsub.TopicEventHandler // its log is read at each look; nil: anybody may be on the topic

	mu     sync.Mutex
	whole  bool      // everybody was here at the last look, and no stranger
	moves  uint64    // of the topic's table at the last look
	moved  time.Time // when somebody was last seen to have come or gone
	gather *gathering
	ended  bool
	tasks  sync.WaitGroup
}

// gathering waits for members, for all calls of Ready together.
type gathering struct {
	done    chan struct{}
	stop    context.CancelFunc
	waiting int // calls of Ready
}

// end closes the topic's channel, and waits for what runs.
func (p *presence) end(closed chan struct{}) {
	p.mu.Lock()
	p.ended = true
	close(closed)
	if p.gather != nil {
		p.gather.stop()
	}
	p.mu.Unlock()
	p.tasks.Wait()
}

// never has ended: what is asked with it does not wait.
var never = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// look tells whether every member is on the topic, and no stranger. It asks pubsub only
// if somebody may have come or gone since it last said yes.
func (t *Topic) look() bool {
	if t.members == nil {
		return true
	}
	p := &t.here
	p.mu.Lock()
	defer p.mu.Unlock()
	// What happens from here on is seen at the next look.
	moves := t.table.moves.Load()
	news := moves != p.moves
	for {
		if _, err := p.events.NextPeerEvent(never); err != nil {
			break
		}
		news = true
	}
	if news {
		p.moves, p.moved = moves, time.Now()
	}
	if !p.whole || news {
		p.whole = len(t.Missing()) == 0 && !t.evictStrangers()
	}
	return p.whole
}

// Moved is when this node joined the topic, or when Ready last saw that a member has come
// or left. A message that was published about then may be lost, for Ready can be wrong
// for as long as the news of a member's leaving is on its way: whoever leaves and comes
// again in that moment lacks what was published between the two.
func (t *Topic) Moved() time.Time {
	t.here.mu.Lock()
	defer t.here.mu.Unlock()
	return t.here.moved
}

// Ready waits until every member is on the topic, connecting to those that are
// not connected, and no stranger is. What is published before may be lost. It costs
// next to nothing if they are there already. When ctx ends first the error is an
// ErrNotReady that names the missing.
func (t *Topic) Ready(ctx context.Context) error {
	for {
		select {
		case <-t.closed:
			return fmt.Errorf("%s: %w", t.name, ErrClosed)
		case <-t.h.ctx.Done(): // the host closes no topic
			return fmt.Errorf("%s: host %w", t.name, ErrClosed)
		default:
		}
		if t.look() {
			return nil
		}
		if err := t.await(ctx); err != nil {
			return err
		}
	}
}

// await waits until the members were there once.
func (t *Topic) await(ctx context.Context) error {
	g := t.gathered()
	if g == nil {
		return fmt.Errorf("%s: %w", t.name, ErrClosed)
	}
	defer t.here.leave(g)
	select {
	case <-g.done:
		return nil
	case <-t.closed:
		return fmt.Errorf("%s: %w", t.name, ErrClosed)
	case <-t.h.ctx.Done():
		return fmt.Errorf("%s: host %w", t.name, ErrClosed)
	case <-ctx.Done():
		return fmt.Errorf("%w: %s: missing %s: %w", ErrNotReady, t.name, strings.Join(t.Missing(), ", "), context.Cause(ctx))
	}
}

// gathered is the gathering under way, counting the caller, or nil when the topic is closed.
func (t *Topic) gathered() *gathering {
	p := &t.here
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil
	}
	if p.gather == nil {
		ctx, stop := context.WithCancel(t.h.ctx)
		g := &gathering{done: make(chan struct{}), stop: stop}
		p.gather = g
		p.tasks.Go(func() { t.assemble(ctx, g) })
	}
	p.gather.waiting++
	return p.gather
}

// leave ends a gathering that nobody waits for.
func (p *presence) leave(g *gathering) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.waiting--; g.waiting == 0 {
		g.stop()
		if p.gather == g {
			p.gather = nil
		}
	}
}

// assemble connects to the members until all are on the topic, or ctx ends.
func (t *Topic) assemble(ctx context.Context, g *gathering) {
	defer close(g.done)
	var dials sync.WaitGroup
	defer dials.Wait()
	defer t.here.over(g)
	for p := range t.members {
		if p != t.h.conf.id {
			dials.Go(func() { t.h.insist(ctx, p) })
		}
	}
	for !t.look() {
		wait, cancel := context.WithTimeout(ctx, readyPoll)
		_, err := t.here.events.NextPeerEvent(wait)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			t.table.moves.Add(1) // the event was taken from the next look
		}
	}
}

// over ends a gathering; whoever calls Ready from now on has another one.
func (p *presence) over(g *gathering) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.stop()
	if p.gather == g {
		p.gather = nil
	}
}

// Missing lists the members that are not on the topic now, in order: whom Ready waits for.
// After Close that is everybody else.
func (t *Topic) Missing() (ids []PeerID) {
	present := map[peer.ID]bool{t.h.conf.id: true}
	for _, p := range t.topic.ListPeers() {
		present[p] = true
	}
	for p := range t.members {
		if !present[p] {
			ids = append(ids, p.String())
		}
	}
	slices.Sort(ids)
	return ids
}
