package hooks

import (
	"math/rand/v2"
	"time"
)

// DefaultRetry is how long after a try the next one comes; the last one repeats.
var DefaultRetry = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour,
}

// DefaultLife is how long after its event a delivery is tried.
const DefaultLife = 24 * time.Hour

// jitter is the part of a delay by which it may be shorter or longer: webhooks
// that failed together should not come back together.
const jitter = 0.2

// after returns when a delivery is tried again, after its nth try at now; false:
// it is not. The last try is at the end of its life.
func (c *Config) after(n int, now, created time.Time) (time.Time, bool) {
	end := created.Add(c.Life)
	if !now.Before(end) {
		return time.Time{}, false
	}
	delay := c.Retry[min(n, len(c.Retry))-1]
	delay += time.Duration((2*rand.Float64() - 1) * jitter * float64(delay))
	if next := now.Add(delay); next.Before(end) {
		return next, true
	}
	return end, true
}
