package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// urgentTurn is how long a worker of a keygen without stock keeps a processor once it has
// waited for it: about as long as a signing's step. Otherwise it gives way before its
// next step, which takes 0.3 ms. So it holds up no signing for long, and beside signings
// without end it has its part, as other steps of keygens have.
const urgentTurn = 50 * time.Millisecond

// generateNow makes a set for a keygen that waits, one at a time in this process, for the
// oldest first: several at once would each take longer, and no first one would be earlier.
// A refill under way stops meanwhile, as does a younger keygen, and what they have found is
// used.
func (p *pool) generateNow(ctx context.Context, order uint64) (*tss.PreParams, error) {
	defer p.urgent.begin()()
	for {
		set, err := p.inPlace(ctx, order)
		if !errors.Is(err, errOlder) {
			return set, err
		}
	}
}

// inPlace is generateNow until an older keygen comes, whose search this one would hold up:
// then it ends with errOlder.
func (p *pool) inPlace(ctx context.Context, order uint64) (*tss.PreParams, error) {
	there, leave, err := p.urgency.enter(ctx, order)
	if err != nil {
		return nil, err
	}
	defer leave()
	set, err := p.fromStock(ctx) // there may be one meanwhile
	if !errors.Is(err, keystore.ErrNotFound) {
		return set, err
	}
	log.Infow("no pre-parameters in stock; generating a set now")
	return p.search(there, order)
}

// search makes a set with a worker on each processor that the keygen gets in its turn.
func (p *pool) search(ctx context.Context, order uint64) (*tss.PreParams, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		working sync.WaitGroup
		mu      sync.Mutex
		set     *tss.PreParams
	)
	for range p.cores.all {
		working.Go(func() {
			s := seat{cores: p.cores, order: order}
			defer s.leave()
			found, err := p.hurry(ctx, tss.Effort{Workers: 1, Pause: s.step})
			stop(err) // the first end, good or bad, ends the others
			if found != nil {
				mu.Lock()
				defer mu.Unlock()
				set = found
			}
		})
	}
	working.Wait()
	if set == nil {
		return nil, context.Cause(ctx)
	}
	return set, nil
}

// seat is one worker's place among the cores.
type seat struct {
	cores *cores
	order uint64
	taken bool
	until time.Time // it is kept
}

// step returns when the worker may take its next step (tss.Effort.Pause).
func (s *seat) step(ctx context.Context) error {
	waited := true
	var err error
	switch {
	case !s.taken:
		err = s.cores.enter(ctx, keygens, s.order)
	case time.Now().Before(s.until):
		waited = false
	default:
		waited, err = s.cores.again(ctx, keygens, s.order)
	}
	if s.taken = err == nil; s.taken && waited {
		s.until = time.Now().Add(urgentTurn)
	}
	return errors.Join(err, ctx.Err())
}

// leave gives the place up.
func (s *seat) leave() {
	if s.taken {
		s.cores.leave(keygens)
	}
}
