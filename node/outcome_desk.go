package node

import (
	"context"
	"time"

	"github.com/meshmpc/mpcd/keystore"
)

// A signature is told before it is on disk, for the disk is slower than the network.
// Most are acknowledged before they are written, and then never are: their
// coordinator has made them durable. A party that crashes in between has told its
// supervisor that the session had begun, and not that it had ended (interrupted.go).

// Times and bounds of writing outcomes.
const (
	writeAfter   = 100 * time.Millisecond // time for the acknowledgement to come, from a busy coordinator
	writeRetry   = time.Second            // after a failure
	writeAtOnce  = 32                     // outcomes, which fit into one transaction
	deleteWithin = time.Second            // of the first of those that are deleted together
	deleteAtOnce = 1024
	lookAgain    = writeAfter / 4 // at the earliest: of those told one after the other several are written together
)

// paper is what is to be done about a told outcome on disk.
type paper struct {
	unwritten bool
	writing   bool   // its record is on its way to disk
	dismissed bool   // it was acknowledged meanwhile
	settled   func() // called once, when it is on disk or acknowledged; nil: nobody waits
}

// settle says that the outcome is in somebody's safe hands.
func (p *paper) settle() {
	if p.settled != nil {
		p.settled()
		p.settled = nil
	}
}

// outcomeDesk is what is to be written and deleted. Its lock is that of outcomes.
type outcomeDesk struct {
	unwritten []*pendingOutcome // the oldest first
	gone      []string          // ids of records that nobody needs
	goneAt    time.Time         // of the first of them
	retryAt   time.Time
	wake      chan struct{}
}

func (d *outcomeDesk) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// dismiss ends the care for an outcome that nobody has to be told any more. What is on
// disk, if the outcome is a failure, is another one. The caller holds mu.
func (o *outcomes) dismiss(p *pendingOutcome) {
	switch {
	case !p.result():
	case p.writing:
		p.dismissed = true
	case p.unwritten:
		p.unwritten = false
		p.settle()
	default:
		o.discard(p)
	}
}

// discard has the record of an outcome deleted. The caller holds mu.
func (o *outcomes) discard(p *pendingOutcome) {
	if len(o.desk.gone) == 0 {
		o.desk.goneAt = time.Now()
	}
	o.desk.gone = append(o.desk.gone, p.frame.Outcome.SID.String())
	o.desk.nudge()
}

// keep writes outcomes that were told before, and deletes those that are acknowledged,
// many at a time, until ctx ends.
func (o *outcomes) keep(ctx context.Context) error {
	for {
		timer := time.NewTimer(time.Until(o.tidy(ctx, time.Now())))
		select {
		case <-ctx.Done():
			timer.Stop()
			o.finish(context.WithoutCancel(ctx))
			return nil
		case <-o.desk.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// finish does at once whatever is to be done.
func (o *outcomes) finish(ctx context.Context) {
	o.mu.Lock()
	o.desk.retryAt = time.Time{}
	o.mu.Unlock()
	for o.write(ctx, time.Now()) {
	}
	o.clean(ctx)
}

// tidy does what is due and returns when the next thing is.
func (o *outcomes) tidy(ctx context.Context, now time.Time) time.Time {
	for o.write(ctx, now.Add(-writeAfter)) {
	}
	d := &o.desk
	o.mu.Lock()
	full := len(d.gone) >= deleteAtOnce || len(d.gone) > 0 && !now.Before(d.goneAt.Add(deleteWithin))
	o.mu.Unlock()
	if full {
		o.clean(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	next := now.Add(redeliverMost)
	earlier := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if len(d.unwritten) > 0 {
		earlier(latest(latest(d.unwritten[0].since.Add(writeAfter), now.Add(lookAgain)), d.retryAt))
	}
	if len(d.gone) > 0 {
		earlier(d.goneAt.Add(deleteWithin))
	}
	return next
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// write writes some of the outcomes that were told up to a moment and are still not
// acknowledged; false when there are none, or the disk does not take them now.
func (o *outcomes) write(ctx context.Context, until time.Time) bool {
	o.mu.Lock()
	batch := o.desk.take(until)
	o.mu.Unlock()
	if len(batch) == 0 {
		return false
	}
	err := o.put(ctx, batch)
	if err != nil && len(batch) > 1 { // they may be too large together
		batch, err = o.putEach(ctx, batch)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		log.Errorw("outcomes are not on disk; that is tried again", "count", len(batch), "error", err)
		o.desk.retryAt = time.Now().Add(writeRetry)
	}
	for _, p := range batch {
		o.written(p, err)
	}
	return err == nil
}

// take returns outcomes that are to be written. The caller holds mu.
func (d *outcomeDesk) take(until time.Time) []*pendingOutcome {
	if time.Now().Before(d.retryAt) {
		return nil
	}
	var batch []*pendingOutcome
	for len(d.unwritten) > 0 && len(batch) < writeAtOnce && !d.unwritten[0].since.After(until) {
		if p := d.unwritten[0]; p.unwritten {
			p.writing = true
			batch = append(batch, p)
		}
		d.unwritten[0] = nil
		d.unwritten = d.unwritten[1:]
	}
	return batch
}

// written takes note of what came of writing an outcome. The caller holds mu.
func (o *outcomes) written(p *pendingOutcome, err error) {
	p.writing, p.unwritten = false, err != nil && !p.dismissed
	switch {
	case p.unwritten:
		o.desk.unwritten = append(o.desk.unwritten, p)
		return
	case p.dismissed && err == nil:
		o.discard(p)
	}
	p.settle()
}

// putEach is put for one at a time; it returns those that are left, if there are.
func (o *outcomes) putEach(ctx context.Context, batch []*pendingOutcome) ([]*pendingOutcome, error) {
	for i, p := range batch {
		if err := o.put(ctx, batch[i:i+1]); err != nil {
			return batch[i:], err
		}
		o.mu.Lock()
		o.written(p, nil)
		o.mu.Unlock()
	}
	return nil, nil
}

func (o *outcomes) put(ctx context.Context, batch []*pendingOutcome) error {
	records := make([]keystore.Record, len(batch))
	for i, p := range batch {
		var err error
		if records[i], err = o.record(p.to, p.frame.Outcome); err != nil {
			return err
		}
	}
	return o.store.PutAll(ctx, records...)
}

// clean deletes the records that nobody needs.
func (o *outcomes) clean(ctx context.Context) {
	o.mu.Lock()
	gone := o.desk.gone
	o.desk.gone = nil
	o.mu.Unlock()
	if len(gone) == 0 {
		return
	}
	if err := o.store.DeleteAll(ctx, kindOutcome, gone...); err != nil && ctx.Err() == nil {
		log.Warnw("acknowledged outcomes were not deleted; they will be offered again after a restart", "count", len(gone), "error", err)
	}
}
