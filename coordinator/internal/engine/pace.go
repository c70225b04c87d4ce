package engine

import (
	"math"
	"time"
)

// pace remembers when the last turns came to those who wait in a queue.
type pace struct {
	began time.Time // when somebody began to wait
	times [64]time.Time
	n     int // turns since
}

func (p *pace) note(now time.Time) {
	p.times[p.n%len(p.times)] = now
	p.n++
}

// Bounds of how long a caller is asked to stay away.
const (
	leastRetry = time.Second
	firstRetry = 5 * time.Second // while the queue is too young to tell
	mostRetry  = time.Minute
)

// wait estimates how long so many turns take, as they came lately.
func (p *pace) wait(turns int, now time.Time) time.Duration {
	from, seen := p.began, p.n
	if p.n > len(p.times) {
		from, seen = p.times[p.n%len(p.times)], len(p.times)-1
	}
	took := now.Sub(from)
	if seen < 2 {
		return min(max(took, firstRetry), mostRetry)
	}
	estimate := time.Duration(math.Ceil(took.Seconds()*float64(turns)/float64(seen))) * time.Second
	return min(max(estimate, leastRetry), mostRetry)
}
