package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// stepper takes turns until its context ends, each step for so long, and counts the
// time that it has worked.
func stepper(ctx context.Context, turn func(context.Context) error, step time.Duration) <-chan time.Duration {
	total := make(chan time.Duration, 1)
	go func() {
		var worked time.Duration
		for turn(ctx) == nil {
			select {
			case <-time.After(step):
				worked += step
			case <-ctx.Done():
			}
		}
		total <- worked
	}()
	return total
}

// A refill goes on within a step of the end of the last session, stops within one
// after the begin of the first, and lets keygens that wait for a set go first.
func TestRefillsWaitForQuiet(t *testing.T) {
	p, _ := newTestPool(t, 1) // opened outside: Badger's goroutines are not for a bubble
	if err := p.put(t.Context(), protocoltest.PreParams(t, 1)[0]); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		for name, i := range map[string]*idle{"session": p.quiet, "keygen without stock": &p.urgent} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			worked := stepper(ctx, p.turns(), time.Millisecond)
			for range 2 { // a minute of work, four of waiting
				<-time.After(30 * time.Second)
				end, other := i.begin(), i.begin()
				<-time.After(time.Minute)
				end()
				<-time.After(time.Minute)
				other()
			}
			end := i.begin()
			<-ctx.Done()
			cancel()
			end()
			if w := <-worked; w < time.Minute || w > time.Minute+3*time.Millisecond {
				t.Errorf("%s: it worked for %v, expected a minute", name, w)
			}
		}
	})
}

// Sessions without end leave an empty pool a tenth of the time, after a while.
func TestAnEmptyPoolDoesNotStarve(t *testing.T) {
	p, _ := newTestPool(t, 1)
	synctest.Test(t, func(t *testing.T) {
		defer p.quiet.begin()()
		ctx, cancel := context.WithTimeout(t.Context(), starvePatience+2*stockLook+time.Minute)
		defer cancel()
		w := <-stepper(ctx, p.turns(), time.Millisecond)
		if w < 5*time.Second || w > 7*time.Second {
			t.Errorf("it worked for %v of a minute", w)
		}
		// A step that takes long, on a busy machine, does not put the next one off for ever.
		ctx, cancel = context.WithTimeout(t.Context(), starvePatience+2*stockLook+time.Minute)
		defer cancel()
		if w := <-stepper(ctx, p.turns(), time.Second); w < 30*time.Second {
			t.Errorf("with steps of a second it worked for %v", w)
		}
	})
}

// Steps that somebody interrupts are followed by pauses, others by none.
func TestRefillsMakeWayForOthers(t *testing.T) {
	p, _ := newTestPool(t, 1)
	synctest.Test(t, func(t *testing.T) {
		turn, start := p.turns(), time.Now()
		for i, want := range []time.Duration{0, 0, 30 * time.Millisecond, standAtMost, 0} {
			took := time.Now()
			if err := turn(t.Context()); err != nil {
				t.Fatal(err)
			}
			if i > 0 && time.Since(took) != want {
				t.Errorf("before step %d it waited for %v, expected %v", i, time.Since(took), want)
			}
			<-time.After([]time.Duration{500 * time.Microsecond, 3 * time.Millisecond, 12 * time.Millisecond, time.Millisecond, 0}[i])
		}
		t.Log(time.Since(start))
	})
}
