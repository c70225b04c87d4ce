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

// lately returns how many turns came in the time up to now that is remembered.
func (p *pace) lately(now time.Time) (seen int, took time.Duration) {
	from, seen := p.began, p.n
	if p.n > len(p.times) {
		from, seen = p.times[p.n%len(p.times)], len(p.times)-1
	}
	return seen, now.Sub(from)
}

// steady is after which time few turns tell the pace, too.
const steady = time.Minute

// predict estimates how long so many turns take; false: too few have come to tell. Those who began
// together may all end in the next moment, so it is as many as there are places that tell. Where these take long,
// all of them are expected now: that is too early, never too late, and grows with the time that none comes in.
func (p *pace) predict(turns, places int, now time.Time) (time.Duration, bool) {
	seen, took := p.lately(now)
	all := min(places, len(p.times)-1)
	if seen < 2 || seen < all && took < steady {
		return 0, false
	}
	return time.Duration(float64(took) * float64(turns) / float64(max(seen, all))), true
}

// wait estimates for how long a caller should stay away while so many turns come.
func (p *pace) wait(turns int, now time.Time) time.Duration {
	seen, took := p.lately(now)
	if seen < 2 {
		return min(max(took, firstRetry), mostRetry)
	}
	estimate := time.Duration(math.Ceil(took.Seconds()*float64(turns)/float64(seen))) * time.Second
	return min(max(estimate, leastRetry), mostRetry)
}
