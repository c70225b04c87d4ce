package hooks

import (
	"context"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// scan makes the deliveries of events that are new in the log.
func (h *Hooks) scan(ctx context.Context) error {
	last := h.cfg.Registry.LastSeq()
	h.follow(ctx)
	for h.cursor < last {
		if len(h.targets) == 0 {
			h.cursor = last // nobody listens; whoever comes is told from then on
			break
		}
		events, err := h.cfg.Registry.Log(h.cursor, scanPage)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			h.cursor = last // the rest was pruned
			break
		}
		if err := h.enqueue(events); err != nil {
			return err
		}
	}
	if h.cursor-h.saved >= saveEvery {
		h.save()
	}
	return nil
}

// follow makes the targets those that the registry has.
func (h *Hooks) follow(ctx context.Context) {
	current := make(map[string]bool)
	for _, w := range h.cfg.Registry.Webhooks() {
		current[w.ID] = true
		if h.targets[w.ID] == nil {
			h.target(ctx, w)
		}
	}
	for id, t := range h.targets {
		if current[id] {
			continue
		}
		t.cancel()
		delete(h.targets, id)
		if err := h.store.sweep(id, time.Time{}, true); err != nil {
			log.Errorw("deliveries of a deleted webhook could not be dropped; the next start does it", "webhook", id, "error", err)
		}
	}
}

// enqueue writes the deliveries of events, with the cursor, and then queues them.
func (h *Hooks) enqueue(events []registry.Event) error {
	var batch []*Delivery
	cursor := h.cursor
	for i := range events {
		for _, t := range h.targets {
			if wants(t.WebhookState, &events[i]) {
				batch = append(batch, h.delivery(t, &events[i]))
			}
		}
		cursor = events[i].Seq
		if len(batch) >= maxBatch {
			break
		}
	}
	if len(batch) > 0 {
		if err := h.store.put(batch, cursor); err != nil {
			return err
		}
		h.saved = cursor
	}
	h.cursor = cursor
	for _, d := range batch {
		if d.Status == Pending {
			h.targets[d.Webhook].queue.add(d.Stream, item{seq: d.Seq, created: d.Created, next: d.NextTry})
		}
	}
	return nil
}

func (h *Hooks) delivery(t *target, e *registry.Event) *Delivery {
	d := &Delivery{Webhook: t.ID, Seq: e.Seq, Type: e.Type, Created: e.Time, Stream: e.Stream, Status: Pending, NextTry: e.Time}
	d.Account, d.Session = h.cfg.Registry.Concerns(e)
	if t.queue.count >= maxPending {
		d.Status, d.Error, d.NextTry = Failed, fmt.Sprintf("%d deliveries wait already: the receiver does not take them", maxPending), time.Time{}
	}
	return d
}

// settle records how tries ended.
func (h *Hooks) settle(results []result) {
	var batch []*Delivery
	for _, r := range results {
		if h.targets[r.target.ID] != r.target {
			continue // deleted meanwhile
		}
		if d := h.outcome(r); d != nil {
			batch = append(batch, d)
		}
	}
	if len(batch) == 0 {
		return
	}
	if err := h.store.put(batch, 0); err != nil {
		log.Errorw("the end of deliveries could not be recorded; they may be made again after a restart", "error", err)
	}
}

// outcome moves a delivery on after a try.
func (h *Hooks) outcome(r result) *Delivery {
	q, first := r.target.queue, r.lane.items[0]
	d, err := h.store.get(r.target.ID, first.seq)
	if err != nil {
		log.Errorw("a delivery is gone from the disk", "error", err)
		q.finish(r.lane)
		return nil
	}
	d.Tries, d.LastTry, d.HTTP, d.NextTry, d.Error = first.tries+1, r.at, r.status, time.Time{}, ""
	next, again := h.cfg.after(d.Tries, r.at, first.created)
	switch {
	case r.err == nil:
		d.Status = Delivered
		q.finish(r.lane)
	case again && !r.final:
		d.NextTry, d.Error = next, reason(r.err)
		q.retry(r.lane, next)
	default:
		d.Status, d.Error = Failed, reason(r.err)
		q.finish(r.lane)
		log.Warnw("a webhook was given up", "webhook", d.Webhook, "delivery", d.ID(), "event", d.Type, "tries", d.Tries, "error", d.Error)
	}
	return d
}
