package main

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTrim lets a worker work, wait and work again: memory is given back when it has
// waited for a while, and again when there is some again.
func TestTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex // virtual time orders what follows; the race detector does not know
		var use heapUse
		var freed []time.Duration
		trim := trimmer{
			read: func() heapUse {
				mu.Lock()
				defer mu.Unlock()
				return use
			},
			free: func() {
				mu.Lock()
				defer mu.Unlock()
				freed, use.spare = append(freed, time.Since(began)), 0
			},
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- trim.Run(ctx) }()
		synctest.Wait()
		// step lets looks pass, between which a worker allocates so much.
		step := func(looks int, allocates uint64) {
			for range looks {
				mu.Lock()
				use.allocated += allocates
				mu.Unlock()
				<-time.After(trimEvery)
				synctest.Wait()
			}
		}
		use.spare = trimWorth + 1
		step(10, trimNoise+1) // it works
		step(trimCalm-1, trimNoise)
		step(1, trimNoise+1)
		step(trimCalm-1, 0)
		if len(freed) != 0 {
			t.Fatalf("memory was given back after %v, while it was needed", freed)
		}
		step(1, 0)
		want := time.Duration(10+2*trimCalm) * trimEvery
		if len(freed) != 1 || freed[0] != want {
			t.Fatalf("memory was given back after %v, want %v", freed, want)
		}
		use.spare = trimWorth // not worth it
		step(10, 0)
		if len(freed) != 1 {
			t.Errorf("little memory was given back, after %v", freed)
		}
		use.spare++
		step(1, 0)
		if len(freed) != 2 {
			t.Error("what was spare again was not given back")
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestReadHeap checks that the runtime tells what is asked for, and has nothing spare
// after it has given all back.
func TestReadHeap(t *testing.T) {
	known := map[string]bool{}
	for _, d := range metrics.All() {
		known[d.Name] = d.Kind == metrics.KindUint64
	}
	for _, name := range []string{heapAllocated, heapFree} {
		if !known[name] {
			t.Errorf("the runtime does not know %s", name)
		}
	}
	const size = 32 << 20
	trim := newTrimmer()
	before := trim.read()
	garbage := make([]byte, size)
	garbage[0] = 1
	runtime.KeepAlive(garbage)
	if after := trim.read(); after.allocated-before.allocated < size {
		t.Errorf("%d bytes were allocated, and the runtime tells of %d", size, after.allocated-before.allocated)
	}
	trim.free()
	if got := trim.read().spare; got > trimWorth {
		t.Errorf("%d bytes are spare after all was given back", got)
	}
}
