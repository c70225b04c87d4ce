package node

import (
	"context"
	"errors"
	"math"
	"time"
)

// Refills wait while sessions are live. But if sessions never end, an empty pool
// gets a share of the time all the same, or each keygen would have to wait for its set.
const (
	starvePatience = 30 * time.Second       // without a quiet moment, before it gets its share
	starveShare    = 10                     // one part in so many
	starveMost     = 500 * time.Millisecond // longest wait for the next part: it is measured on a busy machine
	stockLook      = time.Second            // how often a waiting refill looks whether the pool is empty
)

// Refills also make way for other programs on the machine. A step that takes much longer
// than others was interrupted by somebody; a pause in proportion follows. The system's
// own low priorities do worse in a process that must answer fast: the garbage collector
// waits for every running thread, also for one that gets no processor. With both cores
// of a machine busy and a thread of nice 19 the slowest twentieth of requests took
// 120 ms and more, and 15 to 40 ms with these pauses.
const (
	crowded     = 3                     // times the shortest step
	standBack   = 10                    // times the interrupted step
	standAtMost = 50 * time.Millisecond // for there are long steps that nobody has interrupted
)

// turns returns what holds a refill up, step by step (tss.Effort.Pause): until nobody
// waits for a set and, but for a starving pool, no session is live. It is for one
// worker.
func (p *pool) turns() func(context.Context) error {
	var began time.Time // of the step before; zero: there was none
	var busy time.Time  // since when no step has seen a quiet moment; zero: the last one has
	shortest := time.Duration(math.MaxInt64)
	return func(ctx context.Context) error {
		var worked time.Duration
		if !began.IsZero() {
			worked = time.Since(began)
			shortest = min(shortest, worked)
		}
		if worked/crowded > shortest {
			if err := pause(ctx, min(standBack*worked, standAtMost)); err != nil {
				return err
			}
		}
		if err := p.urgent.wait(ctx); err != nil {
			return err
		}
		for p.quiet.busy() {
			if busy.IsZero() {
				busy = time.Now()
			}
			wait, starving := stockLook, time.Since(busy) >= starvePatience && p.stock(ctx) == 0
			if starving {
				wait = min((starveShare-1)*worked, starveMost)
			}
			quiet, err := p.quiet.waitAtMost(ctx, wait)
			if err != nil {
				return err
			}
			if starving && !quiet {
				began = time.Now()
				return nil
			}
		}
		began, busy = time.Now(), time.Time{}
		return ctx.Err()
	}
}

// waitAtMost is wait within a limit; it reports whether no session is live.
func (i *idle) waitAtMost(ctx context.Context, limit time.Duration) (quiet bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = i.wait(bounded)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// pause waits for so long, or until ctx ends, with its error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
