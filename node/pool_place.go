package node

import (
	"container/heap"
	"context"
	"errors"
	"sync"
)

// place is that of the one keygen that generates. It is the oldest one's of those that
// wait: a younger one, whose steps come after those of all older keygens, gives it back when
// an older one comes. The zero place is ready for use.
type place struct {
	mu      sync.Mutex
	waiting queue
	order   uint64                  // of who has it
	end     context.CancelCauseFunc // of what it does there; nil: nobody has it
}

// errOlder is why a keygen gives the place back.
var errOlder = errors.New("an older keygen waits for pre-parameters")

// enter waits for the place. What the caller does there ends with the context that it
// returns, whose cause is errOlder when an older keygen has come; leave must follow.
func (p *place) enter(ctx context.Context, order uint64) (there context.Context, leave func(), err error) {
	t := &turn{order: order, begin: make(chan struct{})}
	p.mu.Lock()
	heap.Push(&p.waiting, t)
	switch {
	case p.end == nil:
		p.next()
	case order < p.order:
		p.end(errOlder)
	}
	p.mu.Unlock()
	select {
	case <-t.begin:
	case <-ctx.Done():
		p.giveBack(t)
		return nil, nil, context.Cause(ctx)
	}
	there, end := context.WithCancelCause(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = end
	if len(p.waiting) > 0 && p.waiting[0].order < order { // it came just now
		end(errOlder)
	}
	return there, func() { end(nil); p.giveBack(t) }, nil
}

// giveBack ends a turn, whether it has come or not.
func (p *place) giveBack(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.at >= 0 {
		heap.Remove(&p.waiting, t.at)
		return
	}
	p.end = nil
	p.next()
}

// next gives the place to the oldest that waits. The caller holds mu.
func (p *place) next() {
	if len(p.waiting) == 0 {
		return
	}
	if t, ok := heap.Pop(&p.waiting).(*turn); ok { // always
		p.order, p.end = t.order, func(error) {} // enter has it in a moment
		close(t.begin)
	}
}
