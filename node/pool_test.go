package node

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// newTestPool returns a pool over a fresh store, and a channel that hears of
// every change of its stock.
func newTestPool(t *testing.T, target int) (*pool, <-chan struct{}) {
	t.Helper()
	store, err := keystore.Open(keystore.Config{Dir: t.TempDir(), Master: masterKey(t), Party: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	changes := make(chan struct{}, 100)
	p := newPool(store, new(idle), newCores(2), target)
	p.changed = func() { changes <- struct{}{} }
	return p, changes
}

func encoded(t *testing.T, set *tss.PreParams) []byte {
	t.Helper()
	data, err := set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestThePoolHandsEverySetOutOnce(t *testing.T) {
	p, _ := newTestPool(t, 0)
	for _, set := range protocoltest.PreParams(t, 2) {
		if err := p.put(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	type taken struct {
		set *tss.PreParams
		err error
	}
	results := make(chan taken, 2)
	for range 2 {
		go func() {
			set, err := p.take(t.Context(), 0)
			results <- taken{set, err}
		}()
	}
	a, b := <-results, <-results
	if a.err != nil || b.err != nil {
		t.Fatal(a.err, b.err)
	}
	if bytes.Equal(encoded(t, a.set), encoded(t, b.set)) {
		t.Error("one set was handed out twice")
	}
	if left, err := p.store.List(t.Context(), kindPreParams); err != nil || len(left) != 0 {
		t.Errorf("%d used sets are left, error %v", len(left), err)
	}
}

func TestThePoolRefillsAndAKeygenWithoutStockDoesNotWaitForIt(t *testing.T) {
	p, changes := newTestPool(t, 1)
	made := 0 // by refills
	p.generate = func(ctx context.Context, effort tss.Effort) (*tss.PreParams, error) {
		if made++; made > 1 {
			<-ctx.Done() // the second one takes for ever
		}
		return quickSet(ctx, effort)
	}
	p.hurry = quickSet
	jobs := NewJobs(logJob)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, jobs) }()
	// Nothing is in stock and a refill may be under way: take makes its own set.
	set, err := p.take(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	<-changes
	stocked, err := p.take(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(encoded(t, set), encoded(t, stocked)) {
		t.Error("one set was handed out twice")
	}
	eventually(t, "the next refill", func() bool { return len(jobs.Running()) == 1 })
	if _, err := p.take(t.Context(), 0); err != nil { // does not wait for it either
		t.Error(err)
	}
	start := time.Now()
	cancel()
	jobs.Stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 10*time.Second { // the refill would take for ever
		t.Errorf("the stop took %v in the middle of a refill", took)
	}
}

func TestADamagedSetIsNotUsed(t *testing.T) {
	p, _ := newTestPool(t, 0)
	header := keystore.Header{Kind: kindPreParams, ID: "1", State: keystore.StateFresh}
	if err := p.store.Put(t.Context(), keystore.Record{Header: header, Payload: []byte("no primes")}); err != nil {
		t.Fatal(err)
	}
	if set, err := p.take(t.Context(), 0); err == nil {
		t.Errorf("got %v, want an error", set)
	}
	if n := p.stock(t.Context()); n != 0 {
		t.Errorf("%d sets in stock: the damaged one would be taken again", n)
	}
}
