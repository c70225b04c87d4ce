package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// What a party's worker has used and needs no more. The runtime keeps room for as much
// garbage as there is live heap, also when nothing makes any: 10 to 20 MB of an idle party.
const (
	trimEvery = 10 * time.Second
	trimCalm  = 3       // looks in a row that have seen nothing but a daemon that waits
	trimNoise = 4 << 20 // bytes that such a one allocates between two looks, at most
	trimWorth = 4 << 20 // bytes that are worth a garbage collection
)

// What the runtime calls it, see package runtime/metrics.
const (
	heapAllocated = "/gc/heap/allocs:bytes"
	heapFree      = "/memory/classes/heap/free:bytes"
)

// heapUse is what the runtime says of the heap.
type heapUse struct {
	allocated uint64 // bytes, since the start
	spare     uint64 // bytes that hold nothing and that the system could have back
}

// trimmer gives memory back to the system when nobody uses it.
type trimmer struct {
	read func() heapUse
	free func() // collects garbage and gives back all that is spare
}

func newTrimmer() trimmer { return trimmer{read: readHeap, free: debug.FreeOSMemory} }

// Run looks every trimEvery, until ctx ends. Work allocates, also that which nobody waits for,
// such as the making of pre-parameters: then the memory is needed.
func (t trimmer) Run(ctx context.Context) error {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	calm, last := 0, t.read()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := t.read()
		calm++
		if now.allocated-last.allocated > trimNoise {
			calm = 0
		}
		last = now
		if calm >= trimCalm && now.spare > trimWorth {
			t.free()
			calm = 0
		}
	}
}

// readHeap costs microseconds and stops nothing.
func readHeap() heapUse {
	samples := []metrics.Sample{{Name: heapAllocated}, {Name: heapFree}}
	metrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0 // a runtime that does not tell: nothing is given back
		}
		return samples[i].Value.Uint64()
	}
	return heapUse{allocated: value(0), spare: value(1)}
}
