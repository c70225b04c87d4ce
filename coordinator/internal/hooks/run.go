package hooks

import (
	"context"
	"errors"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// saveEvery is how many events without a delivery may pass before the cursor is
// written: so many are looked at again after a crash.
const saveEvery = 10_000

// scanPage is how many events are read at once.
const scanPage = 256

// stumble is how long Run waits after an error of the disk.
const stumble = time.Second

// Run delivers until ctx ends, then breaks off the calls that are under way.
func (h *Hooks) Run(ctx context.Context) error {
	defer h.client.CloseIdleConnections()
	defer h.stop()
	if h.body == nil {
		return errors.New("webhooks: Render comes before Run")
	}
	if err := h.load(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		changed := h.cfg.Registry.WatchAll() // before the scan, so that nothing is missed
		wait := h.work(ctx)
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-timer.C:
		case r := <-h.results:
			h.settle(h.collect(r))
		case <-sweep.C:
			h.sweep()
		}
	}
}

// work does what can be done now, and returns after what time there is more.
func (h *Hooks) work(ctx context.Context) time.Duration {
	if err := h.scan(ctx); err != nil {
		log.Errorw("events could not be handed to webhooks; it is tried again", "error", err)
		return stumble
	}
	now := h.cfg.Now()
	wait := time.Hour
	for _, t := range h.targets {
		h.launch(t, now)
		if next, ok := t.queue.next(); ok && t.queue.busy < maxCalls {
			wait = min(wait, next.Sub(now))
		}
	}
	return wait
}

// load takes up what an earlier run has left.
func (h *Hooks) load(ctx context.Context) (err error) {
	if h.saved, err = h.store.cursor(); err != nil {
		return err
	}
	h.cursor = h.saved
	oldest := h.cfg.Registry.LastSeq()
	for _, w := range h.cfg.Registry.Webhooks() {
		oldest = min(oldest, w.Seq)
		t := h.target(ctx, w)
		if err := h.store.pending(w.ID, func(d *Delivery) {
			t.queue.add(d.Stream, item{seq: d.Seq, created: d.Created, next: d.NextTry, tries: d.Tries})
		}); err != nil {
			return err
		}
	}
	h.cursor = max(h.cursor, oldest) // nobody hears of what came before
	ids, err := h.store.webhooks()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if h.targets[id] == nil { // it was deleted, and then the coordinator died
			if err := h.store.sweep(id, time.Time{}, true); err != nil {
				return err
			}
		}
	}
	h.sweep()
	return nil
}

func (h *Hooks) target(ctx context.Context, w *registry.WebhookState) *target {
	t := &target{WebhookState: w, queue: newQueue()}
	t.ctx, t.cancel = context.WithCancel(ctx)
	h.targets[w.ID] = t
	return t
}

// launch begins the calls that are due, as many as there may be.
func (h *Hooks) launch(t *target, now time.Time) {
	for t.queue.busy < maxCalls {
		l := t.queue.take(now)
		if l == nil {
			return
		}
		seq := l.items[0].seq
		h.calls.Go(func() { h.results <- h.try(t, l, seq) }) // it has room for all calls
	}
}

// collect returns r and the results that came with it.
func (h *Hooks) collect(r result) []result {
	all := []result{r}
	for {
		select {
		case r := <-h.results:
			all = append(all, r)
		default:
			return all
		}
	}
}

// stop ends the calls, and records those that were delivered.
func (h *Hooks) stop() {
	for _, t := range h.targets {
		t.cancel()
	}
	h.calls.Wait()
	var done []result
	for len(h.results) > 0 {
		if r := <-h.results; r.err == nil {
			done = append(done, r)
		}
	}
	h.settle(done)
	h.save()
}

// save writes the cursor if it has moved.
func (h *Hooks) save() {
	if h.cursor == h.saved {
		return
	}
	if err := h.store.put(nil, h.cursor); err != nil {
		log.Errorw("the place of webhooks in the log could not be written; some events are looked at again", "error", err)
		return
	}
	h.saved = h.cursor
}

// sweep drops what is old.
func (h *Hooks) sweep() {
	for id := range h.targets {
		if err := h.store.sweep(id, h.cfg.Now().Add(-logLife), false); err != nil {
			log.Errorw("old deliveries could not be dropped", "webhook", id, "error", err)
		}
	}
}
