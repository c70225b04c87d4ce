package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/protocol/tss"
)

// slowSets makes sets in so many steps of a millisecond, and counts.
type slowSets struct {
	steps int

	mu                             sync.Mutex
	searching, most, working, busy int // workers that search, and those of them that take a step
}

func (s *slowSets) make(ctx context.Context, effort tss.Effort) (*tss.PreParams, error) {
	count := func(search, work int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.searching, s.working = s.searching+search, s.working+work
		s.most, s.busy = max(s.most, s.searching), max(s.busy, s.working)
	}
	count(1, 0)
	defer count(-1, 0)
	for range s.steps {
		if err := effort.Pause(ctx); err != nil {
			return nil, err
		}
		count(0, 1)
		<-time.After(time.Millisecond)
		count(0, -1)
	}
	return quickSet(ctx, tss.Effort{})
}

// Keygens that find no stock generate one after the other, each on all processors that
// nobody before it needs, and all of them have their sets in the end.
func TestOneKeygenAtATimeGenerates(t *testing.T) {
	opened, _ := newTestPool(t, 0) // outside: Badger's goroutines are not for a bubble
	synctest.Test(t, func(t *testing.T) {
		p := newPool(opened.store, new(idle), newCores(2), 0)
		const keygens, steps = 8, 100
		slow := &slowSets{steps: steps}
		p.hurry = slow.make
		var (
			mu    sync.Mutex
			sets  = make(map[string]bool)
			ended sync.WaitGroup
			start = time.Now()
		)
		for i := range uint64(keygens) {
			ended.Go(func() {
				set, err := p.take(t.Context(), i)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				sets[string(encoded(t, set))] = true
			})
		}
		ended.Wait()
		if slow.most > p.cores.all || slow.busy != p.cores.all {
			t.Errorf("%d workers searched at a time, %d of them on %d processors", slow.most, slow.busy, p.cores.all)
		}
		if took := time.Since(start); len(sets) != keygens || took > keygens*(steps+1)*time.Millisecond {
			t.Errorf("%d sets in %v", len(sets), took)
		}
		if p.cores.unused() != p.cores.all || p.urgent.busy() {
			t.Errorf("%d processors are free, urgent: %v", p.cores.unused(), p.urgent.busy())
		}
	})
}

// The oldest keygen that finds no stock generates: a younger one that has begun, whose steps
// come after those of the keygens between, makes way for it, and they have their sets in the
// order in which they began, whenever they came.
func TestTheOldestKeygenGenerates(t *testing.T) {
	opened, _ := newTestPool(t, 0)
	synctest.Test(t, func(t *testing.T) {
		p := newPool(opened.store, new(idle), newCores(2), 0)
		const steps = 100
		p.hurry = (&slowSets{steps: steps}).make
		var (
			mu      sync.Mutex
			order   []uint64
			waiting sync.WaitGroup
			rounds  sync.WaitGroup
		)
		take := func(keygen uint64) {
			waiting.Go(func() {
				if _, err := p.take(t.Context(), keygen); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, keygen)
			})
			synctest.Wait()
		}
		take(90)
		ctx, stop := context.WithCancel(t.Context())
		for range 2 * p.cores.all { // of a keygen between
			rounds.Go(func() {
				for ctx.Err() == nil && p.cores.enter(ctx, keygens, 50) == nil {
					<-time.After(10 * time.Millisecond)
					p.cores.leave(keygens)
				}
			})
		}
		<-time.After(2 * urgentTurn)
		start := time.Now()
		take(30)
		take(80)
		take(10)
		take(20)
		<-time.After(4 * (steps + 20) * time.Millisecond)
		mu.Lock()
		if got := slices.Clone(order); !slices.Equal(got, []uint64{10, 20, 30}) {
			t.Errorf("%v had their sets in %v, want the three that are older than the keygen between", got, time.Since(start))
		}
		mu.Unlock()
		stop()
		waiting.Wait()
		rounds.Wait()
		if !slices.Equal(order, []uint64{10, 20, 30, 80, 90}) {
			t.Errorf("they had their sets in the order %v", order)
		}
		if p.cores.unused() != p.cores.all || p.urgent.busy() || p.urgency.end != nil || len(p.urgency.waiting) != 0 {
			t.Errorf("%d processors are free, urgent: %v, place: %+v", p.cores.unused(), p.urgent.busy(), &p.urgency)
		}
	})
}

// A signing waits for a step of what generates, not for the set, and a keygen whose
// set is generated has its turns beside signings without end.
func TestGeneratingMakesWayForSignings(t *testing.T) {
	opened, _ := newTestPool(t, 0)
	synctest.Test(t, func(t *testing.T) {
		p := newPool(opened.store, new(idle), newCores(2), 0)
		p.hurry = (&slowSets{steps: 1000}).make
		var working sync.WaitGroup
		defer working.Wait()
		generated := make(chan error, 1)
		go func() {
			_, err := p.take(t.Context(), 100)
			generated <- err
		}()
		<-time.After(2 * urgentTurn)
		start := time.Now()
		if err := p.cores.enter(t.Context(), signings, 200); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited > 2*time.Millisecond {
			t.Errorf("a signing waited for %v", waited)
		}
		p.cores.leave(signings)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for i := range uint64(8) {
			working.Go(func() {
				for ctx.Err() == nil && p.cores.enter(ctx, signings, i) == nil {
					<-time.After(100 * time.Millisecond)
					p.cores.leave(signings)
				}
			})
		}
		if err := <-generated; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 2*time.Second || took > 20*time.Second {
			t.Errorf("it took %v beside signings, want that they have most of the time and not all", took)
		}
	})
}

// What generates keeps its processors for a turn once it has waited for them, and no longer: a
// signing that comes meanwhile waits for the end of that turn.
func TestASigningWaitsForOneTurnOfWhatGenerates(t *testing.T) {
	opened, _ := newTestPool(t, 0)
	synctest.Test(t, func(t *testing.T) {
		p := newPool(opened.store, new(idle), newCores(2), 0)
		p.hurry = (&slowSets{steps: 1000}).make
		enter := func() (waited time.Duration) {
			t.Helper()
			start := time.Now()
			if err := p.cores.enter(t.Context(), signings, 200); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		for range p.cores.all {
			enter()
		}
		generated := make(chan error, 1)
		go func() {
			_, err := p.take(t.Context(), 100)
			generated <- err
		}()
		synctest.Wait() // its workers wait
		for range p.cores.all {
			p.cores.leave(signings)
		}
		const step = time.Millisecond
		<-time.After(urgentTurn / 5)
		if waited := enter(); waited < urgentTurn/2 || waited > urgentTurn*4/5+2*step {
			t.Errorf("a signing that came in the first fifth of the turn waited for %v of %v", waited, urgentTurn)
		}
		p.cores.leave(signings)
		for range 10 { // those that come later find a worker in a turn of its own, or not
			<-time.After(step)
			if waited := enter(); waited > urgentTurn+2*step {
				t.Errorf("a signing waited for %v, want one turn of %v at most", waited, urgentTurn)
			}
			p.cores.leave(signings)
		}
		if err := <-generated; err != nil {
			t.Error(err)
		}
	})
}

// A keygen that is cancelled while it waits, or while it generates, holds up nobody.
func TestAWaitForPreParametersEnds(t *testing.T) {
	opened, _ := newTestPool(t, 0)
	synctest.Test(t, func(t *testing.T) {
		p := newPool(opened.store, new(idle), newCores(2), 0)
		slow := &slowSets{steps: 100}
		p.hurry = slow.make
		why := errors.New("given up")
		start := time.Now()
		take := func(ctx context.Context) <-chan error {
			taken := make(chan error, 1)
			go func() {
				_, err := p.take(ctx, 0)
				taken <- err
			}()
			synctest.Wait()
			return taken
		}
		generating, cancelFirst := context.WithCancelCause(t.Context())
		waiting, cancelSecond := context.WithCancelCause(t.Context())
		first, second, third := take(generating), take(waiting), take(t.Context())
		cancelSecond(why)
		if err := <-second; !errors.Is(err, why) || time.Since(start) > 0 {
			t.Errorf("who waited ended with %v after %v", err, time.Since(start))
		}
		cancelFirst(why)
		if err := <-first; !errors.Is(err, why) || time.Since(start) > time.Millisecond {
			t.Errorf("who generated ended with %v after %v", err, time.Since(start))
		}
		if err := <-third; err != nil {
			t.Error(err)
		}
		if p.cores.unused() != p.cores.all {
			t.Errorf("%d processors are free", p.cores.unused())
		}
	})
}

// unused is how many processors nobody has.
func (c *cores) unused() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free
}
