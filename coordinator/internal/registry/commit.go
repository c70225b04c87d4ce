package registry

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Bounds of one transaction. Badger refuses larger ones than a fraction of its
// memory table.
const (
	maxBatchEvents = 256
	maxBatchBytes  = 512 << 10
)

// Batch is a group of events that are written together.
type Batch struct {
	r      *Registry
	events []Event
	bytes  [][]byte // encoded, by commit
	then   func(error)
	after  *Batch        // without which these events mean nothing; it is earlier in the queue
	done   chan struct{} // closed when the events are durable, or could not be written
	err    error         // read after done
}

// Append writes events in one transaction and returns when they are durable and
// part of the state.
func (r *Registry) Append(events ...Event) error { return r.Begin(events...).Wait() }

// Begin takes events for the log, in order. They become durable with Wait, or
// with any later Append or Flush.
func (r *Registry) Begin(events ...Event) *Batch { return r.enqueue(&Batch{events: events}) }

// Note is Begin for events that nobody waits for. If then is not nil it is
// called once the events are durable, or could not be written; it must not block.
func (r *Registry) Note(then func(error), events ...Event) {
	r.enqueue(&Batch{events: events, then: then})
}

func (r *Registry) enqueue(b *Batch) *Batch {
	b.r, b.done = r, make(chan struct{})
	now := r.now().UTC().Round(0)
	for i := range b.events {
		b.events[i].Time = now
	}
	r.queueMu.Lock()
	r.queue = append(r.queue, b)
	r.queueMu.Unlock()
	return b
}

// Append is Registry.Append for events that mean nothing without those of b: they are
// not written if b's could not be. Both may be in one transaction.
func (b *Batch) Append(events ...Event) error {
	return b.r.enqueue(&Batch{events: events, after: b}).Wait()
}

// Wait returns when the batch is durable. It commits everything that was handed
// over before, unless another caller is doing that already.
func (b *Batch) Wait() error {
	if b.isDone() {
		return b.err
	}
	b.r.commitMu.Lock()
	var finished []*Batch
	for !b.isDone() {
		finished = append(finished, b.r.commitNext()...)
	}
	b.r.commitMu.Unlock()
	notify(finished)
	return b.err
}

// WaitWithin is Wait, which for a time leaves the committing to others: to Wait for what
// is handed over in that time saves a write to the disk.
func (b *Batch) WaitWithin(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-b.done:
	case <-timer.C:
	}
	return b.Wait()
}

func (b *Batch) isDone() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// Flush makes everything durable that was handed over so far.
func (r *Registry) Flush() {
	r.commitMu.Lock()
	var finished []*Batch
	for {
		batches := r.commitNext()
		if len(batches) == 0 {
			break
		}
		finished = append(finished, batches...)
	}
	r.commitMu.Unlock()
	notify(finished)
}

// notify runs callbacks outside of the lock, so that they may hand events over.
func notify(finished []*Batch) {
	for _, b := range finished {
		if b.then != nil {
			b.then(b.err)
		}
	}
}

// commitNext writes the oldest batches in one transaction and returns them. The
// caller holds commitMu.
func (r *Registry) commitNext() []*Batch {
	batches := r.take()
	if len(batches) == 0 {
		return nil
	}
	err := r.write(batches)
	if err == nil {
		r.apply(batches)
	}
	for _, b := range batches {
		b.bytes = nil
		if b.err == nil {
			b.err = err
		}
		close(b.done)
	}
	return batches
}

// take removes batches from the queue, up to the bounds of a transaction, and
// gives their events sequence numbers.
func (r *Registry) take() []*Batch {
	r.queueMu.Lock()
	defer r.queueMu.Unlock()
	seq, events, size := r.view.lastSeq, 0, 0 // only commits change the view, and the caller holds commitMu
	for i, b := range r.queue {
		n, err := b.encode(seq)
		if i > 0 && (err != nil || events+len(b.events) > maxBatchEvents || size+n > maxBatchBytes) {
			return r.cut(i)
		}
		if err != nil { // a batch of its own, which fails alone
			b.err = err
			return r.cut(1)
		}
		seq, events, size = seq+uint64(len(b.events)), events+len(b.events), size+n
	}
	return r.cut(len(r.queue))
}

func (r *Registry) cut(n int) []*Batch {
	batches := r.queue[:n:n]
	r.queue = r.queue[n:]
	return batches
}

// encode numbers the events after seq and returns their size in bytes.
func (b *Batch) encode(seq uint64) (int, error) {
	if b.after != nil && b.after.err != nil {
		return 0, b.after.err
	}
	b.bytes = make([][]byte, len(b.events))
	size := 0
	for i := range b.events {
		seq++
		b.events[i].Seq = seq
		data, err := json.Marshal(&b.events[i])
		if err != nil {
			return 0, fmt.Errorf("registry: encode event %s: %w", b.events[i].Type, err)
		}
		b.bytes[i] = data
		size += len(data)
	}
	return size, nil
}

func (r *Registry) write(batches []*Batch) error {
	if batches[0].err != nil {
		return batches[0].err
	}
	err := r.db.Update(func(txn *badger.Txn) error {
		for _, b := range batches {
			for i := range b.events {
				e := &b.events[i]
				if err := txn.Set(logKey(e.Seq), b.bytes[i]); err != nil {
					return err
				}
				if err := txn.Set(streamKey(e.Stream, e.Seq), nil); err != nil {
					return err
				}
				if !audited(e) {
					continue
				}
				if err := txn.Set(auditKey(e.Seq), nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("registry: write events: %w", err)
	}
	return nil
}

// apply folds durable events and wakes who watches their streams.
func (r *Registry) apply(batches []*Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range batches {
		for i := range b.events {
			r.view.apply(&b.events[i])
			r.wake(b.events[i].Stream)
		}
	}
	r.wake(everything)
	if r.view.orphanage > maxOrphans+maxOrphans/10 {
		select {
		case r.crowded <- struct{}{}:
		default: // it was told, and not heard yet
		}
	}
}
