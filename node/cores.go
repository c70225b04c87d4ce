package node

import (
	"container/heap"
	"context"
	"sync"

	"github.com/meshmpc/mpcd/protocol"
)

// cores shares the processors among what computes for long: as many steps at a time as
// there are processors, those of the oldest ceremonies first. So the ones that began
// first also end first, and many at once take no longer than one after the other. Signings
// go before keygens, whose steps take seconds and for which nobody's approval is needed, but
// for one turn in some. Presignings come last, and leave one processor to those that come
// meanwhile, if there are several: what has begun is not interrupted.
type cores struct {
	all int // processors

	mu      sync.Mutex
	free    int
	idling  int // presignings that have a processor
	most    int // of them at a time
	waiting [classes]queue
	passed  int // turns of signings since a keygen waits
}

// Classes of what computes for long.
const (
	signings = iota
	keygens
	presignings
	classes

	keygenTurn = 4 // so many turns pass until a keygen has one, though signings wait
)

// turn is one step that waits for a processor.
type turn struct {
	class int
	order uint64 // of its ceremony
	at    int    // in the queue; -1 when it is out
	begin chan struct{}
}

func newCores(n int) *cores { return &cores{all: n, free: n, most: max(1, n-1)} }

// enter waits for a processor; leave must follow, unless it returns an error, which
// is that of ctx.
func (c *cores) enter(ctx context.Context, class int, order uint64) error {
	c.mu.Lock()
	t := c.line(class, order)
	if c.free > 0 {
		c.free--
		c.pass()
	}
	_, err := c.await(ctx, t)
	return err
}

// again gives a processor to who is next, and waits for one anew; it tells whether
// somebody was before. Leave must follow as after enter.
func (c *cores) again(ctx context.Context, class int, order uint64) (waited bool, err error) {
	c.mu.Lock()
	t := c.line(class, order)
	c.giveUp(class)
	return c.await(ctx, t)
}

func (c *cores) leave(class int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveUp(class)
}

// line adds a turn to those that wait. The caller holds mu.
func (c *cores) line(class int, order uint64) *turn {
	t := &turn{class: class, order: order, begin: make(chan struct{})}
	heap.Push(&c.waiting[class], t)
	return t
}

// await returns when it is a turn's time. The caller holds mu, which await releases.
func (c *cores) await(ctx context.Context, t *turn) (waited bool, err error) {
	waited = t.at >= 0
	c.mu.Unlock()
	select {
	case <-t.begin:
		return waited, nil
	default:
	}
	select {
	case <-t.begin:
		return waited, nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.at < 0 { // it was its turn just now
		c.giveUp(t.class)
	} else {
		heap.Remove(&c.waiting[t.class], t.at)
	}
	return waited, context.Cause(ctx)
}

// giveUp ends what one of a class does with a processor. The caller holds mu.
func (c *cores) giveUp(class int) {
	if class == presignings {
		c.idling--
	}
	c.pass()
}

// pass gives a processor that is free to who is next. The caller holds mu.
func (c *cores) pass() {
	class, all := signings, &c.waiting
	switch {
	case len(all[keygens]) == 0:
		c.passed = 0
	case len(all[signings]) == 0 || c.passed+1 >= keygenTurn:
		class, c.passed = keygens, 0
	default:
		c.passed++
	}
	if len(all[signings])+len(all[keygens]) == 0 && c.idling < c.most {
		class = presignings
	}
	if len(all[class]) == 0 {
		c.free++
		return
	}
	if class == presignings {
		c.idling++
	}
	t, ok := heap.Pop(&all[class]).(*turn)
	if ok { // always
		close(t.begin)
	}
}

// queue is a heap of turns, by the order of their ceremonies.
type queue []*turn

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].order < q[j].order }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *queue) Push(x any) {
	t, ok := x.(*turn)
	if !ok {
		return
	}
	t.at = len(*q)
	*q = append(*q, t)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	(*q)[last], t.at = nil, -1
	*q = (*q)[:last]
	return t
}

// heavyRounds are the first rounds of an ECDSA signing, whose messages take long to
// answer: those of later ones, and of all of EdDSA, take about a millisecond.
const heavyRounds = 3

// class is the ceremony's among those that compute for long.
func (c *ceremony) class() int {
	switch c.spec.Kind {
	case protocol.KindKeygen:
		return keygens
	case protocol.KindPresign:
		return presignings
	default:
		return signings
	}
}

// heavy tells whether the session's next step may compute for long. Until it has begun
// what comes is only put aside, and what ends it needs no computing.
func (c *ceremony) heavy(t protocol.Type) bool {
	switch {
	case c.spec.Scheme != protocol.ECDSA, len(c.spec.Presign) != 0, t == protocol.TypeAbort:
		return false
	case t != "" && c.session.Phase() == protocol.PhaseAccepted:
		return false
	case c.spec.Kind == protocol.KindKeygen:
		return c.session.Phase() != protocol.PhaseConfirm
	}
	round, _ := c.session.Round()
	return round < heavyRounds
}

// compute takes a step of the session when it is its turn: presignings come after
// everybody else, and what computes for long waits for a processor. The type is that of
// the message that it takes, none if it takes none.
func (c *ceremony) compute(ctx context.Context, t protocol.Type, step func() (protocol.Output, error)) (protocol.Output, error) {
	c.wake()
	if err := c.yield(ctx); err != nil {
		return protocol.Output{}, err
	}
	if !c.heavy(t) {
		return step()
	}
	if err := c.enter(ctx); err != nil {
		return protocol.Output{}, err
	}
	defer c.node.cores.leave(c.class())
	return step()
}

// enter waits for a processor. A presigning does without, and waits anew, if a session has
// begun meanwhile.
func (c *ceremony) enter(ctx context.Context) error {
	for {
		if err := c.node.cores.enter(ctx, c.class(), c.order); err != nil {
			return err
		}
		if !c.presigning() || !c.node.quiet.busy() {
			return nil
		}
		c.node.cores.leave(c.class())
		if err := c.yield(ctx); err != nil {
			return err
		}
	}
}
