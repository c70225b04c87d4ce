package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// bench is outcomes with a store and nobody else.
type bench struct {
	*outcomes
	store *keystore.Store
}

// newBench runs outcomes until the test ends or stop is called.
func newBench(t *testing.T) (b *bench, stop func()) {
	t.Helper()
	store, err := keystore.Open(keystore.Config{Dir: t.TempDir(), Master: masterKey(t), Party: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	b = &bench{store: store, outcomes: newOutcomes(store, func(context.Context, protocol.PeerID, protocol.Frame) error { return nil })}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.keep(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, stop
}

func (b *bench) onDisk(t *testing.T) int {
	t.Helper()
	n, err := b.store.Count(t.Context(), kindOutcome, keystore.StatePending)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// told tells a signature, and returns how often it was settled.
func (b *bench) told(ctx context.Context, sid protocol.SID) *int {
	settled := new(int)
	p := newPending("coordinator", protocol.Outcome{SID: sid, Record: &protocol.Record{}})
	p.unwritten, p.settled = true, func() { *settled++ }
	b.tell(ctx, p)
	return settled
}

func after(d time.Duration) {
	wait := time.NewTimer(d)
	<-wait.C
	synctest.Wait()
}

// A signature is safe when its coordinator has acknowledged it or it is on disk, not
// before; it is deleted when it is acknowledged, whenever that is.
func TestASignatureIsOnDiskUnlessItIsAcknowledgedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := newBench(t)
		early, late := protocol.SID{1}, protocol.SID{2}
		first := b.told(t.Context(), early)
		after(writeAfter / 2)
		if *first != 0 || b.onDisk(t) != 0 {
			t.Fatalf("settled %d times, %d on disk", *first, b.onDisk(t))
		}
		b.acknowledge("coordinator", &protocol.Ack{SID: early})
		if *first != 1 {
			t.Errorf("settled %d times when it was acknowledged", *first)
		}
		second := b.told(t.Context(), late)
		after(writeAfter + time.Millisecond)
		if *first != 1 || *second != 1 || b.onDisk(t) != 1 {
			t.Errorf("settled %d and %d times, %d on disk", *first, *second, b.onDisk(t))
		}
		b.acknowledge("coordinator", &protocol.Ack{SID: late})
		after(deleteWithin + time.Millisecond)
		if n := b.onDisk(t); n != 0 || *second != 1 {
			t.Errorf("%d are still on disk, settled %d times", n, *second)
		}
		stop()
	})
}

// Who stops has everything on disk first, and nothing that nobody needs.
func TestAStopWritesWhatWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := newBench(t)
		const many = 2*writeAtOnce + 1
		for i := range many {
			b.told(t.Context(), protocol.SID{3, byte(i)})
		}
		after(2 * writeAfter)
		b.acknowledge("coordinator", &protocol.Ack{SID: protocol.SID{3, 0}})
		last := b.told(t.Context(), protocol.SID{4})
		stop()
		if n := b.onDisk(t); n != many || *last != 1 {
			t.Errorf("%d are on disk, want %d; the last is settled %d times", n, many, *last)
		}
	})
}

// What is acknowledged while it is being written is deleted after that.
func TestAnAcknowledgementMayCrossTheWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, stop := newBench(t)
		defer stop()
		sid := protocol.SID{5}
		settled := b.told(t.Context(), sid)
		b.mu.Lock()
		batch := b.desk.take(time.Now())
		b.mu.Unlock()
		if err := b.put(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		b.acknowledge("coordinator", &protocol.Ack{SID: sid})
		if len(batch) != 1 || *settled != 0 {
			t.Fatalf("%d are being written; it is settled %d times", len(batch), *settled)
		}
		b.mu.Lock()
		b.written(batch[0], nil)
		b.mu.Unlock()
		after(deleteWithin + time.Millisecond)
		if n := b.onDisk(t); n != 0 || *settled != 1 {
			t.Errorf("%d are on disk, settled %d times", n, *settled)
		}
	})
}
