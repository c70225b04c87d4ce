package node

import (
	"context"
	"sync"
	"time"
)

// idle tells work that nobody waits for when it may run: while no session is live that
// somebody waits for. The zero idle is ready for use.
type idle struct {
	mu    sync.Mutex
	live  int
	quiet chan struct{} // closed when no session is live any more; nil while none is
	since time.Time     // when the last one ended
}

// begin counts a live session; it ends when the returned function is called.
func (i *idle) begin() (end func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.live++; i.live == 1 {
		i.quiet = make(chan struct{})
	}
	return sync.OnceFunc(i.end)
}

func (i *idle) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.live--; i.live == 0 {
		close(i.quiet)
		i.quiet = nil
		i.since = time.Now()
	}
}

// busy reports whether a session is live.
func (i *idle) busy() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.live > 0
}

// wait returns when no session is live, or when ctx ends, with its error.
func (i *idle) wait(ctx context.Context) error {
	for {
		i.mu.Lock()
		quiet := i.quiet
		i.mu.Unlock()
		if quiet == nil {
			return nil
		}
		select {
		case <-quiet:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle returns when no session has been live for so long, or when ctx ends, with its
// error.
func (i *idle) settle(ctx context.Context, quiet time.Duration) error {
	for {
		if err := i.wait(ctx); err != nil {
			return err
		}
		i.mu.Lock()
		live, rest := i.live, quiet-time.Since(i.since)
		i.mu.Unlock()
		switch {
		case live > 0:
			continue
		case rest <= 0:
			return ctx.Err()
		}
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// wake makes the session a live one, for which work waits that nobody waits for.
func (c *ceremony) wake() {
	if c.live == nil && !c.presigning() {
		c.live = c.node.quiet.begin()
	}
}

// rest ends that until it wakes again: the session has ended, or only waits.
func (c *ceremony) rest() {
	if c.live != nil {
		c.live()
		c.live = nil
	}
}
