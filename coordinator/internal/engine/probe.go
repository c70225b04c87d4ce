package engine

import (
	"context"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// probe pings candidates concurrently and returns those that answered. It waits
// for need of them, and a moment longer for the others that should be alive by
// their heartbeats, but never longer than probeTimeout.
func (e *Engine) probe(ctx context.Context, candidates []registry.Party, need int) []registry.Party {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel() // ends the pings that are not waited for
	answers := make(chan registry.Party, len(candidates))
	for _, p := range candidates {
		e.spawn(func() {
			if e.reach(ctx, p) {
				answers <- p
			}
		})
	}
	var alive []registry.Party
	expected := e.expected(candidates)
	var enough <-chan time.Time
	for len(alive) < len(candidates) {
		if len(alive) >= need {
			if expected <= 0 {
				return alive
			}
			if enough == nil {
				enough = time.After(probeGrace)
			}
		}
		select {
		case p := <-answers:
			alive = append(alive, p)
			if known, ok := e.cfg.Pool.Party(p.Peer); ok && known.Live {
				expected--
			}
		case <-enough:
			return alive
		case <-ctx.Done():
			return alive
		}
	}
	return alive
}

// expected counts the candidates that are alive by their heartbeats.
func (e *Engine) expected(candidates []registry.Party) int {
	n := 0
	for _, p := range candidates {
		if known, ok := e.cfg.Pool.Party(p.Peer); ok && known.Live {
			n++
		}
	}
	return n
}

// reach pings a party until it answers or ctx ends: a party that has just come
// back may need a second try.
func (e *Engine) reach(ctx context.Context, p registry.Party) bool {
	for {
		if _, err := e.cfg.Mesh.Ping(ctx, p.Peer); err == nil {
			e.cfg.Pool.Heard(p.Peer)
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(probeRetry):
		}
	}
}

// freshFor is how long a sign of life stands for a ping: parties send a heartbeat every
// second.
const freshFor = 1500 * time.Millisecond

// fresh tells whether a party has shown itself so lately, by a heartbeat, a frame or a pong, that
// a ping would tell little more. One that has died since is found by the watch over its
// attempt.
func (e *Engine) fresh(peer protocol.PeerID) bool {
	known, ok := e.cfg.Pool.Party(peer)
	return ok && known.Live && !known.Draining && time.Since(known.Heard) < freshFor
}

// reachable returns candidates that are there: need of them, or all. Parties of the first
// attempt at a signature are not pinged if enough have shown themselves lately; of any other, that
// would be a false economy.
func (r *runner) reachable(ctx context.Context, candidates []registry.Party, need int) []registry.Party {
	if r.req.Kind == protocol.KindSign && r.number == 1 && !r.wary {
		if fresh := r.e.allFresh(candidates); len(fresh) >= need {
			return fresh
		}
	}
	r.asked = true
	return r.e.probe(ctx, candidates, need)
}

func (e *Engine) allFresh(candidates []registry.Party) []registry.Party {
	return slices.DeleteFunc(slices.Clone(candidates), func(p registry.Party) bool { return !e.fresh(p.Peer) })
}

// immediate makes the first attempt of a signature whose turn is now, with parties that
// need no ping; nil if that cannot be, or must not (see begin).
func (r *runner) immediate() *attempt {
	isPlain := r.req.Kind == protocol.KindSign && r.req.Wait == "" && r.req.Externals == 0 && !r.req.Delegate && len(r.req.Approvals) == 0
	if !isPlain || !r.isOurs || r.place == nil || r.place.waited {
		return nil
	}
	parties := r.findPresigned()
	if parties == nil {
		var ok bool
		if parties, ok = r.chooseFresh(); !ok || r.e.book(parties) != nil {
			return nil
		}
	}
	a, err := r.newAttempt(parties)
	if err != nil {
		r.unname()
		r.e.unbook(parties)
		return nil
	}
	return a
}

// chooseFresh is choose for parties that need no ping.
func (r *runner) chooseFresh() (chosen []registry.Party, ok bool) {
	r.asked = false
	for _, g := range r.groups() {
		candidates, _ := r.candidates(g, chosen)
		fresh := r.e.allFresh(candidates)
		if len(fresh) < g.need {
			return nil, false
		}
		r.rank(fresh)
		chosen = append(chosen, fresh[:g.need]...)
	}
	return r.inOrder(chosen), true
}
