package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Times of the pool.
const (
	refillLimit = 10 * time.Minute // of a job, which another one continues
	refillRetry = 5 * time.Second  // after a failure
)

// jobRefill is the name of the pool's job.
const jobRefill = "preparams refill"

// pool keeps single-use sets of pre-parameters. A set is marked used, durably,
// before it is handed out: a crash loses a set rather than using it twice.
type pool struct {
	store   *keystore.Store
	quiet   *idle // when refills may run
	cores   *cores
	target  int
	changed func() // the stock has changed
	wake    chan struct{}
	urgent  idle  // while keygens wait for sets
	urgency place // of the one of them that generates its own

	// generate makes a set for the stock, hurry a part of one for a keygen that waits. What
	// an interrupted call has found, the next one of either uses.
	generate, hurry func(context.Context, tss.Effort) (*tss.PreParams, error)
}

// newPool returns a pool whose keygens share the processors with everybody else.
func newPool(s *keystore.Store, quiet *idle, cores *cores, target int) *pool {
	primes := new(tss.Generator)
	return &pool{
		store: s, quiet: quiet, cores: cores, target: target, changed: func() {}, wake: make(chan struct{}, 1),
		generate: primes.Generate, hurry: primes.Generate,
	}
}

// stock counts the fresh sets.
func (p *pool) stock(ctx context.Context) int {
	n, err := p.store.Count(ctx, kindPreParams, keystore.StateFresh)
	if err != nil {
		return 0 // for heartbeats; take and refill report the error
	}
	return n
}

// take returns a set that nobody has used and nobody will, for the ceremony of that order;
// without stock it generates one.
func (p *pool) take(ctx context.Context, order uint64) (*tss.PreParams, error) {
	defer p.nudge()
	set, err := p.fromStock(ctx)
	if errors.Is(err, keystore.ErrNotFound) {
		set, err = p.generateNow(ctx, order)
	}
	if err != nil {
		return nil, fmt.Errorf("pre-parameters: %w", err)
	}
	return set, nil
}

// fromStock takes a set out of the store, if there is one; keystore.ErrNotFound if not.
func (p *pool) fromStock(ctx context.Context) (*tss.PreParams, error) {
	record, err := p.store.Take(ctx, kindPreParams, keystore.StateFresh, keystore.StateUsed)
	if err != nil {
		return nil, err
	}
	defer clear(record.Payload)
	set, err := tss.DecodePreParams(record.Payload)
	if err != nil {
		return nil, err
	}
	// Used records have done their duty once a set is out: nothing hands them
	// out again, so the ciphertext need not stay.
	if err := p.store.Delete(ctx, kindPreParams, record.ID); err != nil {
		log.Warnw("a used set of pre-parameters was not deleted; it will not be used again", "error", err)
	}
	return set, nil
}

func (p *pool) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run keeps the stock at its target until ctx ends. Each set is one job, so that
// it has a deadline and a panic in it is contained.
func (p *pool) run(ctx context.Context, jobs *Jobs) error {
	p.purge(ctx)
	for {
		if p.stock(ctx) >= p.target {
			select {
			case <-ctx.Done():
				return nil
			case <-p.wake:
				continue
			}
		}
		done := make(chan error, 1)
		err := jobs.Start(jobRefill, refillLimit, func(ctx context.Context) (err error) {
			err = ErrJobPanic // what the loop sees if refill panics
			defer func() { done <- err }()
			err = p.refill(ctx)
			return err
		})
		if err != nil {
			return nil // the node has stopped
		}
		if err := <-done; err != nil && pause(ctx, refillRetry) != nil {
			return nil
		}
	}
}

// purge deletes the sets that were marked used and not deleted, because the process
// ended: nobody will ever use them.
func (p *pool) purge(ctx context.Context) {
	headers, err := p.store.List(ctx, kindPreParams)
	for _, h := range headers {
		if h.State == keystore.StateUsed {
			err = errors.Join(err, p.store.Delete(ctx, kindPreParams, h.ID))
		}
	}
	if err != nil {
		log.Warnw("used sets of pre-parameters were not deleted; they will not be used again", "error", err)
	}
}

// refill makes one set on one core, while nothing else is to be done, and stores it.
func (p *pool) refill(ctx context.Context) error {
	set, err := p.generate(ctx, tss.Effort{Workers: 1, Pause: p.turns()})
	if err != nil {
		if ctx.Err() != nil {
			return nil // the node stops, or sessions have held it up for long; the loop comes back
		}
		return fmt.Errorf("pre-parameters: %w", err)
	}
	if err := p.put(ctx, set); err != nil {
		return err
	}
	p.changed()
	return nil
}

func (p *pool) put(ctx context.Context, set *tss.PreParams) error {
	payload, err := set.Encode()
	if err != nil {
		return fmt.Errorf("pre-parameters: %w", err)
	}
	defer clear(payload)
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("pre-parameters: %w", err)
	}
	header := keystore.Header{Kind: kindPreParams, ID: id.String(), Scheme: string(protocol.ECDSA), State: keystore.StateFresh}
	if err := p.store.Put(ctx, keystore.Record{Header: header, Payload: payload}); err != nil {
		return fmt.Errorf("pre-parameters: %w", err)
	}
	return nil
}
