package tss

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"sync"
)

// Generator makes sets of pre-parameters. It keeps the safe primes that an
// interrupted Generate has found for the next one; a prime goes into one set. The
// zero value is ready for use, also by several goroutines, which then share what
// they find: who finds the last prime of a set gets it.
type Generator struct {
	mu     sync.Mutex
	primes []*safePrime // fewer than four
}

// Effort says how much of the machine a search takes.
type Effort struct {
	// Workers search at a time. One is the goroutine of the caller, so that it can
	// choose the thread; others have ended when Generate returns.
	Workers int
	// Pause, if it is there, is called by each worker before each step, which takes
	// 0.3 ms of CPU, that of sifting a new window 15 ms. It holds the worker up until
	// it returns; its error ends the search.
	Pause func(context.Context) error
}

func (e *Effort) validate() error {
	if e.Workers < 1 {
		return fmt.Errorf("%w: generating them takes at least one worker, not %d", ErrPreParams, e.Workers)
	}
	return nil
}

// step waits for leave to go on.
func (e *Effort) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil || e.Pause == nil {
		return err
	}
	return e.Pause(ctx)
}

// GeneratePreParams makes a set with so many workers; see Generator.Generate.
func GeneratePreParams(ctx context.Context, workers int) (*PreParams, error) {
	return new(Generator).Generate(ctx, Effort{Workers: workers})
}

// Generate makes a set. It takes about 0.8 s of CPU, with a geometric spread, and
// returns the context's error when that ends first.
func (g *Generator) Generate(ctx context.Context, effort Effort) (*PreParams, error) {
	if err := effort.validate(); err != nil {
		return nil, err
	}
	inner, stop := context.WithCancelCause(ctx)
	found := make(chan []*safePrime, effort.Workers)
	work := func() { // the first end, good or bad, ends all
		primes, err := g.search(inner, &effort)
		if err == nil {
			found <- primes
		}
		stop(err)
	}
	var others sync.WaitGroup
	for range effort.Workers - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	select {
	case primes := <-found:
		return assemble(primes)
	default:
		return nil, fmt.Errorf("generating pre-parameters: %w", cmp.Or(ctx.Err(), context.Cause(inner)))
	}
}

// search finds primes until one of them completes a set, whose primes it returns.
func (g *Generator) search(ctx context.Context, effort *Effort) ([]*safePrime, error) {
	primes := search{random: rand.Reader, step: effort.step}
	for {
		s, err := primes.find(ctx)
		if err != nil {
			return nil, err
		}
		if set := g.offer(s); set != nil {
			return set, nil
		}
	}
}

// offer keeps a prime; with the fourth it returns all, if the first two of them
// make a Paillier modulus. If no two do, the oldest goes.
func (g *Generator) offer(s *safePrime) []*safePrime {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.primes = append(g.primes, s)
	if len(g.primes) < 4 {
		return nil
	}
	primes := g.primes
	if pairUp(primes) {
		g.primes = nil
		return primes
	}
	g.primes = primes[1:]
	return nil
}

// pairUp moves the first pair that is far apart to the front. The primes come
// independently, so a fixed order of the pairs is a random one.
func pairUp(s []*safePrime) bool {
	for i := range s {
		for j := range i {
			if s[i].p.Cmp(s[j].p) == 0 {
				return false
			}
		}
	}
	for i := range s {
		for j := range i {
			if farApart(s[i].p, s[j].p) {
				s[0], s[j] = s[j], s[0]
				s[1], s[i] = s[i], s[1]
				return true
			}
		}
	}
	return false
}

func farApart(p, q *big.Int) bool {
	return new(big.Int).Sub(p, q).BitLen() >= minDistanceBits
}
