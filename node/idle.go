package node

import (
	"context"
	"sync"
)

// idle tells work that nobody waits for when it may run: while no session is live that
// somebody waits for. The zero idle is ready for use.
type idle struct {
	mu    sync.Mutex
	live  int
	quiet chan struct{} // closed when no session is live any more; nil while none is
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
