package access

import (
	"math"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Classes of calls, each with a limit of its own.
const (
	Reads     = "reads"     // GET and HEAD, by key
	Writes    = "writes"    // the others, by key
	Anonymous = "anonymous" // calls without a key, by client
)

// Limits of callers without a key, in calls a second and at once.
const (
	anonymousRate  = 50
	anonymousBurst = 100
)

// maxBuckets bounds the memory of a Limiter. A caller whose bucket was dropped
// finds a full one.
const maxBuckets = 4096

// Rates are calls a second that a key may make; 0: as many as it likes.
type Rates struct{ Reads, Writes int }

// Verdict says whether a call may be made, and how many more.
type Verdict struct {
	Class     string
	Quota     int           // calls that a rested caller may make at once; 0: there is no limit
	Window    time.Duration // in which the quota comes back
	Remaining int           // calls that may be made now
	Reset     time.Duration // until the quota is whole again
	Retry     time.Duration // until one call may be made; 0: this one may
}

type bucketKey struct {
	class, caller string
}

// Limiter bounds how often callers call. It is safe for concurrent use.
type Limiter struct {
	limits  map[string]bucketSize
	buckets *lru.Cache[bucketKey, *rate.Limiter]
	now     func() time.Time
}

type bucketSize struct{ rate, burst int }

// NewLimiter returns a limiter; now may be nil.
func NewLimiter(r Rates, now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	buckets, err := lru.New[bucketKey, *rate.Limiter](maxBuckets)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Limiter{now: now, buckets: buckets, limits: map[string]bucketSize{
		Reads: {r.Reads, r.Reads}, Writes: {r.Writes, r.Writes}, Anonymous: {anonymousRate, anonymousBurst},
	}}
}

// TakeKey asks for one call of a class by a key.
func (l *Limiter) TakeKey(class, keyID string) Verdict { return l.take(class, keyID) }

// TakeClient asks for one call by a client without a key.
func (l *Limiter) TakeClient(client netip.Addr) Verdict {
	return l.take(Anonymous, groupOf(client).String())
}

func (l *Limiter) take(class, caller string) Verdict {
	size := l.limits[class]
	if size.rate <= 0 {
		return Verdict{Class: class}
	}
	now, b := l.now(), l.bucket(bucketKey{class, caller}, size)
	allowed := b.AllowN(now, 1)
	tokens := max(b.TokensAt(now), 0)
	v := Verdict{
		Class: class, Quota: size.burst, Window: seconds(size.burst, size.rate),
		Remaining: int(tokens), Reset: refill(float64(size.burst)-tokens, size.rate),
	}
	if !allowed {
		v.Retry = max(refill(1-tokens, size.rate), time.Nanosecond)
	}
	return v
}

func (l *Limiter) bucket(key bucketKey, size bucketSize) *rate.Limiter {
	if b, ok := l.buckets.Get(key); ok {
		return b
	}
	b := rate.NewLimiter(rate.Limit(size.rate), size.burst)
	if earlier, found, _ := l.buckets.PeekOrAdd(key, b); found {
		return earlier
	}
	return b
}

func seconds(calls, perSecond int) time.Duration {
	return time.Duration(calls) * time.Second / time.Duration(perSecond)
}

func refill(tokens float64, perSecond int) time.Duration {
	return time.Duration(math.Ceil(tokens / float64(perSecond) * float64(time.Second)))
}
