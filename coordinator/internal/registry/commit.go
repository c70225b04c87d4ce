package registry

import (
	"encoding/json"
	"fmt"

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
	done   bool
	err    error
}

// Append writes events in one transaction and returns when they are durable and
// part of the state.
func (r *Registry) Append(events ...Event) error { return r.Begin(events...).Wait() }

// Begin takes events for the log, in order. They become durable with Wait, or
// with any later Append or Flush.
func (r *Registry) Begin(events ...Event) *Batch { return r.enqueue(nil, events) }

// Note is Begin for events that nobody waits for. If then is not nil it is
// called once the events are durable, or could not be written; it must not block.
func (r *Registry) Note(then func(error), events ...Event) { r.enqueue(then, events) }

func (r *Registry) enqueue(then func(error), events []Event) *Batch {
	now := r.now().UTC().Round(0)
	for i := range events {
		events[i].Time = now
	}
	b := &Batch{r: r, events: events, then: then}
	r.queueMu.Lock()
	r.queue = append(r.queue, b)
	r.queueMu.Unlock()
	return b
}

// Wait returns when the batch is durable. It commits everything that was handed
// over before, unless another caller is doing that already.
func (b *Batch) Wait() error {
	b.r.commitMu.Lock()
	var finished []*Batch
	for !b.done {
		finished = append(finished, b.r.commitNext()...)
	}
	err := b.err
	b.r.commitMu.Unlock()
	notify(finished)
	return err
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
		b.done, b.bytes = true, nil
		if b.err == nil {
			b.err = err
		}
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
