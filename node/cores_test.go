package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/protocol"
)

// Whatever the order in which they come: the oldest ceremony's step is next.
func TestTheOldestCeremonyComputesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const processors = 2
		c := newCores(processors)
		for range processors {
			if err := c.enter(t.Context(), signings, 100); err != nil {
				t.Fatal(err)
			}
		}
		var (
			mu    sync.Mutex
			order []uint64
			ended sync.WaitGroup
		)
		gone, leave := context.WithCancel(t.Context())
		for _, n := range []uint64{5, 3, 9, 1, 7} {
			ctx := t.Context()
			if n == 3 {
				ctx = gone
			}
			ended.Go(func() {
				if err := c.enter(ctx, signings, n); err != nil {
					if n != 3 || !errors.Is(err, context.Canceled) {
						t.Errorf("%d: %v", n, err)
					}
					return
				}
				mu.Lock()
				order = append(order, n)
				mu.Unlock()
			})
			synctest.Wait()
		}
		leave()
		synctest.Wait()
		for range 4 { // those that entered above leave, and those that they let in
			c.leave(signings)
			synctest.Wait()
		}
		ended.Wait()
		if want := []uint64{1, 5, 7, 9}; !slices.Equal(order, want) {
			t.Errorf("they came in the order %v, want %v", order, want)
		}
		for range processors {
			c.leave(signings)
		}
		if c.free != processors {
			t.Errorf("%d processors are free, want %d", c.free, processors)
		}
	})
}

// Signings do not wait for the keygens that began before them, and those have a turn
// now and then.
func TestSigningsGoBeforeKeygens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCores(1)
		if err := c.enter(t.Context(), keygens, 1); err != nil {
			t.Fatal(err)
		}
		var order []uint64 // one at a time
		var ended sync.WaitGroup
		for n := uint64(2); n <= 10; n++ {
			class := signings
			if n <= 4 {
				class = keygens
			}
			ended.Go(func() {
				if err := c.enter(t.Context(), class, n); err != nil {
					t.Error(err)
				}
				order = append(order, n)
				c.leave(class)
			})
			synctest.Wait()
		}
		c.leave(keygens)
		ended.Wait()
		if want := []uint64{5, 6, 7, 2, 8, 9, 10, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("they came in the order %v, want %v", order, want)
		}
		if c.free != 1 {
			t.Errorf("%d processors are free", c.free)
		}
	})
}

// Presignings have the processors that nobody else waits for, but for one.
func TestPresigningsComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCores(3)
		var order []uint64
		var mu sync.Mutex
		enter := func(class int, n uint64) {
			go func() {
				if err := c.enter(t.Context(), class, n); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, n)
			}()
			synctest.Wait()
		}
		check := func(when string, want ...uint64) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(order, want) {
				t.Errorf("%s: they came in the order %v, want %v", when, order, want)
			}
		}
		for n := range uint64(4) {
			enter(presignings, n)
		}
		check("presignings alone", 0, 1)
		enter(signings, 10) // has the one that is left
		enter(keygens, 11)
		enter(signings, 12)
		check("others come", 0, 1, 10)
		leave := func(class int) {
			c.leave(class)
			synctest.Wait()
		}
		leave(presignings)
		leave(presignings)
		check("presignings have ended their steps", 0, 1, 10, 12, 11)
		leave(signings)
		leave(signings)
		leave(keygens)
		check("all others have", 0, 1, 10, 12, 11, 2, 3)
		c.leave(presignings)
		c.leave(presignings)
		if c.free != 3 || c.idling != 0 {
			t.Errorf("%d processors are free, %d idling", c.free, c.idling)
		}
	})
}

// On one processor presignings have it, one after the other.
func TestOneProcessorIsForPresigningsToo(t *testing.T) {
	c := newCores(1)
	for n := range uint64(2) {
		if err := c.enter(t.Context(), presignings, n); err != nil {
			t.Fatal(err)
		}
		c.leave(presignings)
	}
}

// What needs no computing does not wait for a processor.
func TestAnAbortNeedsNoProcessor(t *testing.T) {
	c := &ceremony{spec: &protocol.Spec{Scheme: protocol.ECDSA, Kind: protocol.KindSign}}
	if c.heavy(protocol.TypeAbort) {
		t.Error("an abort waits")
	}
}
