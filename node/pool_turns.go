package node

import (
	"context"
	"errors"
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

// turns returns what holds a refill up, step by step (tss.Effort.Pause): until nobody
// waits for a set and, but for a starving pool, no session is live. It is for one
// worker.
func (p *pool) turns() func(context.Context) error {
	began := time.Now() // of the step before
	var busy time.Time  // since when no step has seen a quiet moment; zero: the last one has
	return func(ctx context.Context) error {
		worked := time.Since(began)
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
