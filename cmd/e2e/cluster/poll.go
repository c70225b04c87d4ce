package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollInterval is how often Poll looks.
const pollInterval = 20 * time.Millisecond

// ErrTimeout reports that what was waited for did not come in time.
var ErrTimeout = errors.New("waited too long")

// Poll calls done until it returns true or an error, or ctx ends.
func Poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrTimeout, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
