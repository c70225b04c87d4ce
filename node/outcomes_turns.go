package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what one coordinator may leave unacknowledged: above them it begins no session. One
// that works does not come near them. While it is away it begins nothing, and what is left of before
// is what it had under way, at most MaxSessionsPerCoordinator and what it had not acknowledged yet:
// at 400 signatures a second, each acknowledged within 100 ms, 40. At that rate it may be
// two seconds late, with the largest messages one.
const (
	maxUnacknowledged      = 1024
	maxUnacknowledgedBytes = 16 << 20 // encoded: about 500 of the largest messages
)

// addressee is a coordinator that is still to be told something. It is told one outcome
// after the other, and none of the other coordinators waits for that: one that is gone,
// or reads nothing, takes sendLimit for each try.
type addressee struct {
	pending int           // outcomes
	bytes   int           // of these
	telling bool          // its turn is on
	rest    time.Duration // after a turn that failed
	until   time.Time     // when the rest is over
}

// wake ends the rest.
func (a *addressee) wake() { a.rest, a.until = 0, time.Time{} }

// enter counts an outcome that is pending from now on. The caller holds mu.
func (o *outcomes) enter(p *pendingOutcome) {
	o.pending[p.sid()] = p
	a := o.to[p.to]
	if a == nil {
		a = new(addressee)
		o.to[p.to] = a
	}
	a.pending++
	a.bytes += p.size
}

// leave ends that an outcome is pending. The caller holds mu.
func (o *outcomes) leave(p *pendingOutcome) {
	delete(o.pending, p.sid())
	a := o.to[p.to]
	a.pending--
	a.bytes -= p.size
	o.dropIdle(p.to)
}

func (o *outcomes) dropIdle(to protocol.PeerID) {
	if a := o.to[to]; a.pending == 0 && !a.telling {
		delete(o.to, to)
	}
}

// unacknowledged returns how much a coordinator has left unacknowledged if that is too much for
// one more session.
func (o *outcomes) unacknowledged(from protocol.PeerID) (outcomes, bytes int, tooMuch bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.to[from]
	if a == nil {
		return 0, 0, false
	}
	return a.pending, a.bytes, a.pending >= maxUnacknowledged || a.bytes >= maxUnacknowledgedBytes
}

// sendDue begins to send what is due and returns when the next one is. The end of a turn
// calls for it again.
func (o *outcomes) sendDue(ctx context.Context, now time.Time) time.Time {
	due, next := o.due(now)
	for to, batch := range due {
		o.turns.Go(func() { o.turn(ctx, to, batch) })
	}
	return next
}

// due returns outcomes whose time has come, the most urgent first, and begins the turns of
// their coordinators. It gives up very old ones. A share is not lost with its outcome: the
// share stays in the keystore.
func (o *outcomes) due(now time.Time) (due map[protocol.PeerID][]*pendingOutcome, next time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	due, next = make(map[protocol.PeerID][]*pendingOutcome), now.Add(redeliverMost)
	for _, p := range o.pending {
		if now.Sub(p.since) > outcomeLife {
			o.leave(p)
			o.dismiss(p)
			continue
		}
		a := o.to[p.to]
		at := latest(p.next, a.until)
		switch {
		case a.telling:
		case !at.After(now):
			due[p.to] = append(due[p.to], p)
		case at.Before(next):
			next = at
		}
	}
	for to, batch := range due {
		slices.SortFunc(batch, func(a, b *pendingOutcome) int { return a.next.Compare(b.next) })
		o.to[to].telling = true
	}
	o.wakeAt = next
	return due, next
}

// turn sends outcomes to one coordinator. The first that cannot be sent ends the turn: the
// others would fare no better. They come before it in the next turn, in case it is only
// this one.
func (o *outcomes) turn(ctx context.Context, to protocol.PeerID, due []*pendingOutcome) {
	var err error
	for _, p := range due {
		if !o.tried(p) {
			continue
		}
		sending, cancel := context.WithTimeout(ctx, sendLimit)
		err = o.send(sending, to, p.frame)
		cancel()
		if err != nil {
			log.Debugw("an outcome could not be sent", "coordinator", to, "error", err)
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.to[to]
	a.telling = false
	if err == nil {
		a.wake()
	} else {
		a.rest = min(max(2*a.rest, redeliverFirst), redeliverMost)
		a.until = time.Now().Add(a.rest)
	}
	o.dropIdle(to)
	o.nudge()
}

// tried takes note that an outcome is sent once more; false if nobody waits for it any more.
func (o *outcomes) tried(p *pendingOutcome) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pending[p.sid()] != p {
		return false
	}
	p.wait = min(2*p.wait, redeliverMost)
	p.next = time.Now().Add(p.wait)
	return true
}

// flush offers everything that is pending once more, until ctx ends. What is not on disk is
// written first.
func (o *outcomes) flush(ctx context.Context) {
	o.finish(context.WithoutCancel(ctx))
	all := make(map[protocol.PeerID][]*pendingOutcome)
	o.mu.Lock()
	for _, p := range o.pending {
		all[p.to] = append(all[p.to], p)
	}
	o.mu.Unlock()
	var telling sync.WaitGroup
	for to, batch := range all {
		telling.Go(func() {
			for i, p := range batch {
				if err := o.send(ctx, to, p.frame); err != nil {
					log.Infow("outcomes are still undelivered; they will be offered after the next start", "coordinator", to, "count", len(batch)-i, "error", err)
					return
				}
			}
		})
	}
	telling.Wait()
}
