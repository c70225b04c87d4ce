package node

import (
	"container/heap"
	"context"
	"sync"

	"github.com/meshmpc/mpcd/protocol"
)

// cores shares the processors among the ceremonies that compute for long: as many
// steps at a time as there are processors, those of the oldest ceremonies first. So
// the ones that began first also end first, and many at once take no longer than one
// after the other. Signings go before keygens, whose steps take seconds and for which
// nobody's approval is needed, but for one turn in some.
type cores struct {
	mu      sync.Mutex
	free    int
	waiting [classes]queue
	passed  int // turns of signings since a keygen waits
}

// Classes of what computes for long.
const (
	signings = iota
	keygens
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

func newCores(n int) *cores { return &cores{free: n} }

// enter waits for a processor; leave must follow, unless it returns an error, which
// is that of ctx.
func (c *cores) enter(ctx context.Context, class int, order uint64) error {
	c.mu.Lock()
	if c.free > 0 {
		c.free--
		c.mu.Unlock()
		return nil
	}
	t := &turn{class: class, order: order, begin: make(chan struct{})}
	heap.Push(&c.waiting[class], t)
	c.mu.Unlock()
	select {
	case <-t.begin:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.at < 0 { // it was its turn just now
		c.pass()
	} else {
		heap.Remove(&c.waiting[class], t.at)
	}
	return context.Cause(ctx)
}

func (c *cores) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
}

// pass gives a processor that is free to who is next. The caller holds mu.
func (c *cores) pass() {
	q := &c.waiting[signings]
	switch {
	case len(c.waiting[keygens]) == 0:
		c.passed = 0
	case len(*q) == 0 || c.passed+1 >= keygenTurn:
		q, c.passed = &c.waiting[keygens], 0
	default:
		c.passed++
	}
	if len(*q) == 0 {
		c.free++
		return
	}
	t, ok := heap.Pop(q).(*turn)
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
	if c.spec.Kind == protocol.KindKeygen {
		return keygens
	}
	return signings
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
	if c.presigning() {
		if err := c.yield(ctx); err != nil {
			return protocol.Output{}, err
		}
		return step()
	}
	c.wake()
	if !c.heavy(t) {
		return step()
	}
	if err := c.node.cores.enter(ctx, c.class(), c.order); err != nil {
		return protocol.Output{}, err
	}
	defer c.node.cores.leave()
	return step()
}
