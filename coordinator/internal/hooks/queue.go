package hooks

import (
	"container/heap"
	"time"
)

// item is a delivery that waits for its turn.
type item struct {
	seq     uint64 // of its event
	created time.Time
	next    time.Time // not before
	tries   int
}

// lane is the deliveries of one stream of events: one at a time, in order.
type lane struct {
	stream string
	items  []item
}

// queue is what waits for one webhook. It has no clock and no lock.
type queue struct {
	lanes map[string]*lane // all that have items
	due   lanes            // those of which nothing is on its way
	count int              // items
	busy  int              // lanes of which an item is on its way
}

func newQueue() *queue { return &queue{lanes: make(map[string]*lane)} }

// add puts a delivery behind those of its stream.
func (q *queue) add(stream string, it item) {
	q.count++
	if l := q.lanes[stream]; l != nil {
		l.items = append(l.items, it)
		return
	}
	l := &lane{stream: stream, items: []item{it}}
	q.lanes[stream] = l
	heap.Push(&q.due, l)
}

// take returns a lane whose first item is due; nil if there is none. Its caller
// gives it back with finish or retry.
func (q *queue) take(now time.Time) *lane {
	if len(q.due) == 0 || q.due[0].items[0].next.After(now) {
		return nil
	}
	q.busy++
	return heap.Pop(&q.due).(*lane)
}

// finish removes the first item of a lane that was taken.
func (q *queue) finish(l *lane) {
	q.busy--
	q.count--
	if l.items = l.items[1:]; len(l.items) == 0 {
		delete(q.lanes, l.stream)
		return
	}
	heap.Push(&q.due, l)
}

// retry puts the first item of a lane that was taken off to a later time.
func (q *queue) retry(l *lane, next time.Time) {
	q.busy--
	l.items[0].next = next
	l.items[0].tries++
	heap.Push(&q.due, l)
}

// next returns when something is due; false if nothing is.
func (q *queue) next() (time.Time, bool) {
	if len(q.due) == 0 {
		return time.Time{}, false
	}
	return q.due[0].items[0].next, true
}

// lanes is a heap by the time of the first item, and then by its event.
type lanes []*lane

func (h lanes) Len() int { return len(h) }

func (h lanes) Less(i, j int) bool {
	a, b := &h[i].items[0], &h[j].items[0]
	if !a.next.Equal(b.next) {
		return a.next.Before(b.next)
	}
	return a.seq < b.seq
}

func (h lanes) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *lanes) Push(x any) { *h = append(*h, x.(*lane)) }

func (h *lanes) Pop() any {
	old := *h
	l := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return l
}
