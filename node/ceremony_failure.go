package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/meshmpc/mpcd/protocol"
)

// because returns why ctx has ended, if it has, in place of an error that only follows from
// that. A blame stays one.
func (c *ceremony) because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && c.blamed(err) == nil {
		return cause
	}
	return err
}

// sayFarewell tells the other members that this party has given up, so that
// they need not wait for the deadline. Who ends because of another's farewell
// says nothing: everyone has heard it.
func (c *ceremony) sayFarewell(err error) {
	var aborted *protocol.Aborted
	if errors.As(err, &aborted) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	f := c.failure(err)
	c.lost = &f
	if c.remembered(ctx) != nil {
		return
	}
	for _, envelope := range c.session.Abort(f).Broadcast {
		if err := c.topic.Publish(ctx, envelope); err != nil {
			c.log.Debugw("the others were not told of the failure", "error", err)
		}
	}
}

// tellFailure reports a failed attempt to the coordinator, once: the
// coordinator's own deadline covers a lost report. What the attempt shows of other
// members is on disk before: a next attempt may come at once.
func (c *ceremony) tellFailure(err error) {
	f := c.failure(err)
	if c.lost != nil {
		f = *c.lost // described while it was still known who was missing
	}
	c.log.Warnw("session failed", "code", f.Code, "error", f.Detail, "culprits", f.Culprits, "reason", f.Reason)
	c.keepConduct(err)
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	frame := protocol.Frame{Outcome: &protocol.Outcome{SID: c.sid, Failure: &f}}
	if err := c.node.sendFrame(ctx, c.spec.Coordinator, frame); err != nil {
		c.log.Infow("the failure was not reported", "error", err)
	}
}

// failure describes an error for the coordinator and the other members. Culprits are
// those of a blame. What another member says in an abort without a proof is never said
// in this party's name, its code least of all, by which this party would accuse
// itself: the words are in the detail, and GaveUp names who spoke them.
func (c *ceremony) failure(err error) protocol.Failure {
	f := protocol.Failure{Code: codeOf(err), Detail: err.Error()}
	var (
		aborted *protocol.Aborted
		refused *refusal
	)
	blame := c.blamed(err)
	if blame != nil {
		f.Reason, f.Culprits, f.Evidence = blame.Reason, blame.Culprits, blame.Evidence.Brief()
	}
	switch {
	case errors.As(err, &aborted):
		if f.Code = protocol.CodeProtocol; blame == nil {
			f.GaveUp = aborted.By
		}
	case errors.Is(err, protocol.ErrDisagreement):
		f.Code = protocol.CodeDisagreement
	case blame != nil:
		f.Code = protocol.CodeProtocol
	case errors.Is(err, errCancelled):
		f.Code = protocol.CodeCancelled
	case errors.Is(err, ErrStopped):
		f.Code, f.Detail = protocol.CodeDraining, "this party is shutting down"
	case errors.As(err, &refused): // it has its code; a dial that timed out is not the session's deadline
	case errors.Is(err, context.DeadlineExceeded):
		f.Code, f.Detail = protocol.CodeTimeout, c.waitingFor()
	}
	return fit(f)
}

// maxFailure leaves room for what is around a failure in an abort's envelope.
const maxFailure = protocol.MaxEnvelope - 4<<10

// fit bounds a failure: one that is too large would not be told at all. Its evidence
// is on disk.
func fit(f protocol.Failure) protocol.Failure {
	f.Detail = protocol.CutDetail(f.Detail)
	if data, err := protocol.Marshal(f); err != nil || len(data) > maxFailure {
		f.Evidence = nil
	}
	return f
}

func (c *ceremony) waitingFor() string {
	if c.session == nil {
		return "the deadline passed before the session began"
	}
	text := fmt.Sprintf("the deadline passed in phase %q", c.session.Phase())
	if peers := c.waitsFor(); len(peers) > 0 {
		text += " while waiting for " + strings.Join(peers, ", ")
	}
	return text
}
