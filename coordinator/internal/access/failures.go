package access

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Reasons of failed authentications.
const (
	MissingKey   = "missing_key"
	UnknownKey   = "unknown_key"
	ExpiredKey   = "expired_key"
	RevokedKey   = "revoked_key"
	InvalidToken = "invalid_join_token"
	BadAddress   = "address_not_allowed"
	WrongScope   = "scope_missing"
	Blocked      = "blocked" // after too many of the others
)

// guesses are the reasons that count towards a block. A caller whose address or
// scope is wrong is told so before it has tried anything.
var guesses = []string{MissingKey, UnknownKey, ExpiredKey, RevokedKey, InvalidToken}

// Bounds; see the package comment.
const (
	failureWindow  = time.Minute
	maxFailures    = 1024
	blockAfter     = 20
	maxUndelivered = 4 * maxFailures
)

// Others is the client of failures that have no count of their own.
const Others = "others"

// FailedAuth counts the failures of a client for a reason in one window.
type FailedAuth struct {
	Client      string // address, IPv6 network, or Others
	Reason      string
	Count       int
	First, Last time.Time
}

// FailuresConfig describes where counts go. Both may be nil.
type FailuresConfig struct {
	Sink func(FailedAuth) // gets each count when its window is over; on Run's goroutine
	Now  func() time.Time
}

type failureKey struct {
	client netip.Prefix // zero: others
	reason string
}

// Failures counts failed authentications.
type Failures struct {
	cfg FailuresConfig

	mu     sync.Mutex
	began  time.Time // of the window
	counts map[failureKey]*FailedAuth
	totals map[netip.Prefix]int // guesses by client; has no client that counts lacks
	over   []FailedAuth         // of windows that are over, for the sink
}

// NewFailures returns a count at zero.
func NewFailures(cfg FailuresConfig) *Failures {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sink == nil {
		cfg.Sink = func(FailedAuth) {}
	}
	f := &Failures{cfg: cfg}
	f.reset(cfg.Now())
	return f
}

// Run hands counts to the sink as their windows end, and what is left when ctx
// ends.
func (f *Failures) Run(ctx context.Context) error {
	timer := time.NewTimer(f.untilNext())
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			f.deliver(false)
			timer.Reset(f.untilNext())
		case <-ctx.Done():
			f.deliver(true)
			return nil
		}
	}
}

// Record counts a failure. The first of a client, a reason and a window is a
// line in the log; details are pairs for it.
func (f *Failures) Record(client netip.Addr, reason string, details ...any) {
	now, group := f.cfg.Now(), groupOf(client)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn(now)
	key := failureKey{group, reason}
	count := f.counts[key]
	if count == nil && len(f.counts) >= maxFailures {
		key.client = netip.Prefix{}
		count = f.counts[key]
	}
	if count == nil {
		count = &FailedAuth{Client: clientText(key.client), Reason: reason, First: now}
		f.counts[key] = count
		log.Warnw("a call was refused; more of this kind within the minute are counted only",
			append([]any{"client", count.Client, "reason", reason}, details...)...)
	}
	count.Count++
	count.Last = now
	if key.client.IsValid() && slices.Contains(guesses, reason) {
		f.totals[key.client]++
	}
}

// Blocked returns how long a client has to wait before it may try again; 0: it
// may.
func (f *Failures) Blocked(client netip.Addr) time.Duration {
	if client.IsLoopback() {
		return 0
	}
	now := f.cfg.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn(now)
	if f.totals[groupOf(client)] < blockAfter {
		return 0
	}
	return f.began.Add(failureWindow).Sub(now)
}

// turn begins a new window when the last one is over.
func (f *Failures) turn(now time.Time) {
	if now.Before(f.began.Add(failureWindow)) {
		return
	}
	f.close()
	f.reset(now)
}

func (f *Failures) close() {
	for _, c := range f.counts {
		f.over = append(f.over, *c)
	}
	if extra := len(f.over) - maxUndelivered; extra > 0 { // the sink hangs
		f.over = slices.Delete(f.over, 0, extra)
	}
}

func (f *Failures) reset(now time.Time) {
	f.began = now.Truncate(failureWindow)
	f.counts, f.totals = make(map[failureKey]*FailedAuth), make(map[netip.Prefix]int)
}

func (f *Failures) untilNext() time.Duration {
	now := f.cfg.Now()
	return now.Truncate(failureWindow).Add(failureWindow).Sub(now)
}

// deliver empties what is for the sink; all: the window that runs as well.
func (f *Failures) deliver(all bool) {
	now := f.cfg.Now()
	f.mu.Lock()
	f.turn(now)
	if all {
		f.close()
		f.reset(now)
	}
	over := f.over
	f.over = nil
	f.mu.Unlock()
	slices.SortFunc(over, func(a, b FailedAuth) int { return a.First.Compare(b.First) })
	for _, c := range over {
		f.cfg.Sink(c)
	}
}
