package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// run fills the shelves while nothing else is to do, and looks after what is on them,
// until ctx ends.
func (s *stock) run(ctx context.Context) {
	var swept time.Time
	var quiet recent // at the last look that found quiet
	for woken := true; ctx.Err() == nil; {
		now, wait := time.Now(), presignSweep
		if woken || now.Sub(swept) >= presignSweep {
			s.look(s.e.cfg.Pool.All(), now)
			swept = now
		}
		idle, calm, last := s.e.resting()
		rest := presignQuiet - now.Sub(last.at)
		switch {
		case !calm:
		case rest <= 0:
			wait, quiet, idle = min(wait, s.fill(now, false)), recent{now, last.n}, nil
		case last.n-quiet.n >= starvedSessions && now.Sub(quiet.at) >= starvedFor:
			s.fill(now, true)
			wait, quiet, idle = min(wait, rest), recent{now, last.n}, nil
		default:
			wait, idle = min(wait, rest), nil
		}
		woken = s.wait(ctx, wait, idle)
	}
}

// wait waits for something to happen; true: somebody has called.
func (s *stock) wait(ctx context.Context, most time.Duration, idle <-chan struct{}) bool {
	again := time.NewTimer(most)
	defer again.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
		return true
	case <-idle:
	case <-again.C:
	}
	return false
}

// recent are the attempts of late that kept parties at work. Those with users' devices do not:
// their people take minutes, and a party lets a session go first.
type recent struct {
	at time.Time // when the last one ended
	n  uint64    // how many have
}

func (r *recent) note(kind workKind, now time.Time) {
	if kind != peopleWork {
		r.at, r.n = now, r.n+1
	}
}

// resting tells whether no session is at work but such as wait for people, and what the last
// one was. The channel is closed while none is at work at all.
func (e *Engine) resting() (idle <-chan struct{}, calm bool, last recent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.idle, e.turns.atWork[quickWork]+e.turns.atWork[heavyWork] == 0, e.recent
}

// look greets parties and sweeps the shelves by one picture of the parties: who is to forget all, because it was away, must
// have been away for its presignatures, too, or what stays on a shelf is lost.
func (s *stock) look(parties []pool.Party, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.greet(parties, now)
	s.sweep(parties, now)
}

// greet has parties that were not seen before, or not for long, forget what they hold for
// this coordinator: an earlier process of it knew that, this one does not. The caller holds s.mu.
func (s *stock) greet(parties []pool.Party, now time.Time) {
	for _, p := range parties {
		if isAway(p, now) { // what it holds is dropped, and it has not heard of that
			delete(s.greeted, p.Peer)
			s.e.cancels.drop(p.Peer)
		}
		s.e.tellCancels(p.Peer)
		if _, asked := s.greeted[p.Peer]; asked || p.Delegate || !p.Live {
			continue
		}
		s.greeted[p.Peer] = false
		s.e.spawn(func() { s.greetOne(p.Peer) })
	}
}

func (s *stock) greetOne(peer protocol.PeerID) {
	frame, err := protocol.Marshal(protocol.Frame{Forget: &protocol.Forget{}})
	if err == nil {
		ctx, cancel := context.WithTimeout(s.e.ctx, sendTimeout)
		defer cancel()
		err = s.e.cfg.Mesh.Send(ctx, peer, protocol.ChannelDispatch, frame)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		log.Debugw("a party could not be told to forget what it holds", "party", peer, "error", err)
		delete(s.greeted, peer) // with the next look
		return
	}
	s.greeted[peer] = true
	s.e.cancels.drop(peer)
	s.wakeUp()
}

// want is an account that has fewer presignatures than it should.
type want struct {
	account *registry.Account
	shelf   *shelf
}

// fill starts presignings, those of the accounts in need first, and returns when it may be worth
// to look again. If sessions leave no quiet it starts one, for an account in use that has
// none.
func (s *stock) fill(now time.Time, starved bool) time.Duration {
	if s.e.IsDraining() {
		return presignSweep
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.newPass(now)
	for _, w := range s.few(p) {
		switch {
		case len(s.making) >= maxPresigning || p.free < protocol.MinThreshold:
			return p.next
		case starved && (!w.isEmpty() || now.Sub(w.shelf.used) > presignInUse):
			continue
		}
		if p.make(w) && starved {
			return p.next
		}
	}
	return p.next
}

// make starts a presigning for an account if that can be.
func (p *pass) make(w want) bool {
	s := p.stock
	if wait := s.pausedFor(p.now, pauseOfAccount(w.account.ID), distrustOf(pauseOfAccount(w.account.ID))); wait > 0 {
		p.next = min(p.next, wait)
		return false
	}
	if !canPresign(w.account) {
		return false
	}
	set := p.setOf(w)
	if set == nil || slices.ContainsFunc(set, func(x registry.Party) bool { return !p.look(x.Peer).isFree() }) {
		return false
	}
	if err := s.begin(w, set, p.now); err != nil {
		log.Errorw("a presigning could not be prepared", "account", w.account.ID, "error", err)
		s.rest(pauseOfAccount(w.account.ID), p.now)
		return false
	}
	for _, x := range set {
		p.busy(x.Peer)
	}
	return true
}

// wanted returns the accounts that need more, the most urgent first: those that have none, then those
// used last. The caller holds s.mu.
func (s *stock) wanted(now time.Time) (list []want) {
	add := func(a *registry.Account) {
		if sh := s.of(a.ID); len(sh.ready)+sh.making < s.target(a, now) {
			list = append(list, want{a, sh})
		}
	}
	for id, sh := range s.shelves {
		if now.Sub(sh.used) <= presignInUse {
			if a := s.e.cfg.Registry.Account(id); a != nil && a.Presign == nil {
				add(a)
			}
		}
	}
	for _, a := range s.e.cfg.Registry.Presigning() {
		add(a)
	}
	slices.SortFunc(list, func(a, b want) int {
		if aEmpty := a.isEmpty(); aEmpty != b.isEmpty() {
			if aEmpty {
				return -1
			}
			return 1
		}
		return cmp.Or(b.shelf.used.Compare(a.shelf.used), cmp.Compare(len(a.shelf.ready), len(b.shelf.ready)), cmp.Compare(a.account.ID, b.account.ID))
	})
	return list
}

// few returns the accounts that one look goes through: the most urgent, and of the others some more
// each time. None if parties are too few anyway. The caller holds s.mu.
func (s *stock) few(p *pass) []want {
	if p.free < protocol.MinThreshold {
		return nil
	}
	list := s.wanted(p.now)
	if len(list) <= 2*maxLooks {
		return list
	}
	rest := list[maxLooks:]
	if s.cursor += maxLooks; s.cursor >= len(rest) {
		s.cursor = 0
	}
	return slices.Concat(list[:maxLooks], rest[s.cursor:min(s.cursor+maxLooks, len(rest))])
}

func (w want) isEmpty() bool { return len(w.shelf.ready)+w.shelf.making == 0 }
