package hooks

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestQueue plays random deliveries and checks order, times and counts.
func TestQueue(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 4))
	q, now := newQueue(), time.Unix(1000, 0)
	const streams = 5
	var taken []*lane
	var seq, finished uint64
	last := make(map[string]uint64)
	for range 20_000 {
		now = now.Add(time.Duration(rnd.IntN(1000)) * time.Millisecond)
		switch {
		case rnd.IntN(2) == 0 && seq < 5000:
			seq++
			q.add(fmt.Sprint(rnd.IntN(streams)), item{seq: seq, next: now})
		case rnd.IntN(2) == 0:
			l := q.take(now)
			if next, ok := q.next(); l == nil && ok && !next.After(now) {
				t.Fatal("something is due and was not given out")
			}
			if l == nil {
				continue
			}
			if l.items[0].next.After(now) || l.items[0].seq <= last[l.stream] {
				t.Fatalf("%+v at %v", l.items[0], now)
			}
			taken = append(taken, l)
		case len(taken) > 0:
			i := rnd.IntN(len(taken))
			l := taken[i]
			taken = append(taken[:i], taken[i+1:]...)
			if rnd.IntN(3) == 0 {
				q.retry(l, now.Add(time.Duration(rnd.IntN(5000))*time.Millisecond))
				continue
			}
			last[l.stream] = l.items[0].seq
			q.finish(l)
			finished++
		}
		if q.count != int(seq-finished) || q.busy != len(taken) || q.busy+len(q.due) != len(q.lanes) {
			t.Fatalf("count %d of %d, busy %d of %d, %d lanes, %d due", q.count, seq-finished, q.busy, len(taken), len(q.lanes), len(q.due))
		}
	}
}

func TestAfter(t *testing.T) {
	c := Config{Retry: DefaultRetry, Life: DefaultLife}
	created := time.Unix(1000, 0)
	now, tries := created, 0
	for {
		tries++
		next, again := c.after(tries, now, created)
		if !again {
			break
		}
		want := DefaultRetry[min(tries, len(DefaultRetry))-1]
		if got := next.Sub(now); next.After(created.Add(DefaultLife)) || got > want*12/10 || got < want*8/10 && !next.Equal(created.Add(DefaultLife)) {
			t.Errorf("try %d: the next comes after %v", tries, got)
		}
		now = next
	}
	if !now.Equal(created.Add(DefaultLife)) || tries < 11 || tries > 14 {
		t.Errorf("%d tries, the last after %v", tries, now.Sub(created))
	}
}
