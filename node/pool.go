package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Times of the pool.
const (
	refillLimit = 10 * time.Minute // one set takes about a second of CPU; its tail is long on busy machines
	refillRetry = 5 * time.Second  // after a failure
)

// jobRefill is the name of the pool's job.
const jobRefill = "preparams refill"

// pool keeps single-use sets of pre-parameters. A set is marked used, durably,
// before it is handed out: a crash loses a set rather than using it twice.
type pool struct {
	store   *keystore.Store
	target  int
	changed func() // the stock has changed
	wake    chan struct{}

	urgent  sync.RWMutex // held for reading while a set is generated for a waiting keygen
	mu      sync.Mutex
	pausing context.CancelFunc // interrupts the refill under way
}

func newPool(s *keystore.Store, target int, changed func()) *pool {
	return &pool{store: s, target: target, changed: changed, wake: make(chan struct{}, 1)}
}

// stock counts the fresh sets.
func (p *pool) stock(ctx context.Context) int {
	n, err := p.store.Count(ctx, kindPreParams, keystore.StateFresh)
	if err != nil {
		return 0 // for heartbeats; take and refill report the error
	}
	return n
}

// take returns a set that nobody has used and nobody will; without stock it
// generates one, on all cores.
func (p *pool) take(ctx context.Context) (*tss.PreParams, error) {
	defer p.nudge()
	record, err := p.store.Take(ctx, kindPreParams, keystore.StateFresh, keystore.StateUsed)
	if errors.Is(err, keystore.ErrNotFound) {
		return p.generateNow(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("pre-parameters: %w", err)
	}
	defer clear(record.Payload)
	set, err := tss.DecodePreParams(record.Payload)
	if err != nil {
		return nil, fmt.Errorf("pre-parameters: %w", err)
	}
	// Used records have done their duty once a set is out: nothing hands them
	// out again, so the ciphertext need not stay.
	if err := p.store.Delete(ctx, kindPreParams, record.ID); err != nil {
		log.Warnw("a used set of pre-parameters was not deleted; it will not be used again", "error", err)
	}
	return set, nil
}

// generateNow makes a set for a keygen that waits. It stops a refill under way
// rather than share the cores with it: the search has no memory, so nothing is
// lost by starting it again.
func (p *pool) generateNow(ctx context.Context) (*tss.PreParams, error) {
	p.urgent.RLock()
	defer p.urgent.RUnlock()
	p.mu.Lock()
	if p.pausing != nil {
		p.pausing()
	}
	p.mu.Unlock()
	log.Infow("no pre-parameters in stock; generating a set now")
	set, err := tss.GeneratePreParams(ctx, runtime.NumCPU())
	if err != nil {
		return nil, fmt.Errorf("pre-parameters: %w", err)
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
		if err := <-done; err != nil && !p.pause(ctx) {
			return nil
		}
	}
}

// pause waits before another try; false when ctx has ended.
func (p *pool) pause(ctx context.Context) bool {
	timer := time.NewTimer(refillRetry)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// refill makes one set on one core and stores it.
func (p *pool) refill(ctx context.Context) error {
	p.urgent.Lock() // wait for urgent ones to finish; urgent ones that come later interrupt
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	p.pausing = cancel
	p.mu.Unlock()
	p.urgent.Unlock()
	set, err := tss.GeneratePreParams(ctx, 1)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil // interrupted; the loop comes back
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
