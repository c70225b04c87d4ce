package node

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// reportEvery is the least time between two reports of a session's progress, and
// before the first: of a session that takes no longer the coordinator hears the
// outcome and, unless it is a signing, the answer.
const reportEvery = 100 * time.Millisecond

// progress is what the coordinator is told of how far a session is. It belongs to the
// goroutine that drives the session.
type progress struct {
	told  protocol.Progress // the last report
	since time.Time         // of the last report, or when the session began
	due   *time.Timer       // there is something to tell
	armed bool
	busy  atomic.Bool // a report is on its way
}

func newProgress() *progress {
	p := &progress{since: time.Now(), due: time.NewTimer(reportEvery)}
	p.due.Stop()
	return p
}

// report tells phase and round when they have changed, the latest now and then; who
// is missing, at once.
func (c *ceremony) report(ctx context.Context, missing []protocol.PeerID) {
	p := c.progress
	now := protocol.Progress{SID: c.sid, Phase: c.session.Phase(), Missing: missing}
	now.Round, now.Rounds = c.session.Round()
	same := now.Phase == p.told.Phase && now.Round == p.told.Round && slices.Equal(missing, p.told.Missing)
	if missing == nil && (same || p.armed) {
		return
	}
	if wait := reportEvery - time.Since(p.since); missing == nil && wait > 0 {
		p.armed = true
		p.due.Reset(wait)
		return
	}
	p.told, p.since = now, time.Now()
	if !p.busy.CompareAndSwap(false, true) {
		return // a coordinator that does not listen must not hold up the ceremony; a lost report does no harm
	}
	c.senders.Go(func() {
		defer p.busy.Store(false)
		ctx, cancel := context.WithTimeout(ctx, sendLimit)
		defer cancel()
		if err := c.node.sendFrame(ctx, c.spec.Coordinator, protocol.Frame{Progress: &now}); err != nil {
			c.log.Debugw("progress was not reported", "error", err)
		}
	})
}

// reportDue is report when its time has come.
func (c *ceremony) reportDue(ctx context.Context) {
	c.progress.armed = false
	c.report(ctx, nil)
}
