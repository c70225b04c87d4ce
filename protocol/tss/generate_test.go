package tss

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"testing"
)

// What an interrupted search has found is part of the next set, and of no other.
func TestAnInterruptedSearchKeepsItsPrimes(t *testing.T) {
	var g Generator
	ctx, cancel := context.WithCancel(t.Context())
	watch := func(context.Context) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.primes) > 0 {
			cancel()
		}
		return nil
	}
	if _, err := g.Generate(ctx, Effort{Workers: 1, Pause: watch}); !errors.Is(err, context.Canceled) {
		t.Fatalf("the interrupted search ends with %v", err)
	}
	kept := g.primes[0]
	set, err := g.Generate(t.Context(), Effort{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Validate(); err != nil {
		t.Error(err)
	}
	others := 0
	for _, v := range primesOf(set) {
		if v.Cmp(kept.p) != 0 {
			others++
		}
	}
	// Four primes of which no two are far apart make room for a fifth; the oldest goes.
	if others != 3 && others != 4 {
		t.Errorf("%d primes of the set were not in stock", others)
	}
	if len(g.primes) != 0 {
		t.Errorf("%d primes of the set stay in stock", len(g.primes))
	}
}

// primesOf returns the four safe primes of a set, those of N first.
func primesOf(set *PreParams) []*big.Int {
	p := &set.params
	return []*big.Int{p.PaillierSK.P, p.PaillierSK.Q, safeOf(p.P), safeOf(p.Q)}
}

// Two searches share what they find, and no prime is in two sets.
func TestSearchesAtATimeShareNoPrime(t *testing.T) {
	var g Generator
	var group sync.WaitGroup
	sets := make([]*PreParams, 2)
	for i := range sets {
		group.Go(func() {
			var err error
			if sets[i], err = g.Generate(t.Context(), Effort{Workers: i + 1}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for _, set := range sets {
		for _, v := range primesOf(set) {
			seen[v.String()] = true
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d different primes in two sets", len(seen))
	}
}

func TestAPauseHoldsTheSearchAndItsErrorEndsIt(t *testing.T) {
	wrong := errors.New("wrong")
	for workers := 1; workers <= 3; workers++ {
		var mu sync.Mutex
		steps := 0
		pause := func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			if steps++; steps > 20 {
				return wrong
			}
			return nil
		}
		set, err := new(Generator).Generate(t.Context(), Effort{Workers: workers, Pause: pause})
		if set != nil || !errors.Is(err, wrong) {
			t.Errorf("%d workers: %v", workers, err)
		}
		if steps < 21 || steps > 20+workers {
			t.Errorf("%d workers went on for %d steps after the error", workers, steps-21)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	pause := func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}
	if _, err := new(Generator).Generate(ctx, Effort{Workers: 2, Pause: pause}); !errors.Is(err, context.Canceled) {
		t.Errorf("a pause that the context ends gives %v", err)
	}
}
