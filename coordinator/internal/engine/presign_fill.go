package engine

import (
	"cmp"
	"context"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// pause is the time for which somebody is not asked to presign.
type pause struct {
	until time.Time
	next  time.Duration // the pause after that
}

// run fills the shelves while nothing else is to do, and looks after what is on them,
// until ctx ends.
func (s *stock) run(ctx context.Context) {
	var quiet chan struct{} // the engine's idle at the last look: another one means that a session ran since
	var since time.Time
	for ctx.Err() == nil {
		now, wait := time.Now(), presignSweep
		s.greet(now)
		s.sweep(now)
		idle := s.e.idleNow()
		select {
		case <-idle:
			if quiet != idle {
				quiet, since = idle, now
			}
			if rest := presignQuiet - now.Sub(since); rest > 0 {
				wait = min(wait, rest)
			} else {
				wait = min(wait, s.fill(now))
			}
			idle = nil
		default:
		}
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-idle:
		case <-again.C:
		}
		again.Stop()
	}
}

// idleNow returns the channel that is closed while no session runs.
func (e *Engine) idleNow() chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.idle
}

// greet has parties that were not seen before, or not for long, forget what they hold for
// this coordinator: an earlier process of it knew that, this one does not.
func (s *stock) greet(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.e.cfg.Pool.All() {
		if isAway(p, now) { // what it holds is dropped, and it has not heard of that
			delete(s.greeted, p.Peer)
		}
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
	s.wakeUp()
}

// want is an account that has fewer presignatures than it should.
type want struct {
	account *registry.Account
	shelf   *shelf
}

// fill starts presignings, those of the account that was used last first, and returns
// when it may be worth to look again.
func (s *stock) fill(now time.Time) time.Duration {
	if s.e.IsDraining() || s.e.IsBusy() {
		return presignSweep
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := presignSweep
	for _, w := range s.wanted(now) {
		if len(s.making) >= maxPresigning {
			break
		}
		set := s.setOf(w)
		if set == nil {
			continue
		}
		if wait := s.paused(w.account.ID, set, now); wait > 0 {
			next = min(next, wait)
			continue
		}
		if slices.ContainsFunc(set, func(p registry.Party) bool { return s.works(p.Peer) }) {
			continue
		}
		if err := s.begin(w, set, now); err != nil {
			log.Errorw("a presigning could not be prepared", "account", w.account.ID, "error", err)
			s.rest(pauseOfAccount(w.account.ID), now)
		}
	}
	return next
}

// wanted returns the accounts that need more, the most urgent first. The caller holds
// s.mu.
func (s *stock) wanted(now time.Time) (list []want) {
	add := func(a *registry.Account) {
		if a == nil || !canPresign(a) {
			return
		}
		if sh := s.of(a.ID); len(sh.ready)+sh.making < s.e.presignOf(a).Target {
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
		return cmp.Or(b.shelf.used.Compare(a.shelf.used), cmp.Compare(len(a.shelf.ready), len(b.shelf.ready)), cmp.Compare(a.account.ID, b.account.ID))
	})
	return list
}

// setOf returns who presigns for an account: the same parties as long as they can, so
// that what is made fits together; nil if there are too few. The caller holds s.mu.
func (s *stock) setOf(w want) []registry.Party {
	var there []registry.Party
	for _, p := range presigners(w.account) {
		if known, ok := s.e.cfg.Pool.Party(p.Peer); ok && known.Live && !known.Draining && s.greeted[p.Peer] {
			there = append(there, p)
		}
	}
	missing := func(p registry.Party) bool { return !slices.Contains(there, p) }
	if len(w.shelf.set) == w.account.Threshold.T && !slices.ContainsFunc(w.shelf.set, missing) {
		return w.shelf.set
	}
	if len(there) < w.account.Threshold.T {
		return nil
	}
	warm := s.e.warm.last(w.account.ID) // they have an open topic for it
	if w.shelf.turn > 0 {
		warm = nil // they have failed
	}
	load := make(map[protocol.PeerID]int)
	for _, sh := range s.shelves {
		if sh == w.shelf {
			continue
		}
		for _, p := range sh.set {
			load[p.Peer]++
		}
	}
	slices.SortFunc(there, func(a, b registry.Party) int {
		if aWarm, bWarm := slices.Contains(warm, a.Peer), slices.Contains(warm, b.Peer); aWarm != bWarm {
			if aWarm {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(load[a.Peer], load[b.Peer]), cmp.Compare(w.lot(a), w.lot(b)))
	})
	set := there[:w.account.Threshold.T]
	slices.SortFunc(set, func(a, b registry.Party) int {
		return cmp.Compare(slices.Index(w.account.Parties, a), slices.Index(w.account.Parties, b))
	})
	w.shelf.set = set
	return set
}

// lot is a number that differs by account, party and turn, so that accounts are spread
// over parties.
func (w want) lot(p registry.Party) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(w.account.ID + "\x00" + p.Peer + "\x00" + strconv.FormatUint(uint64(w.shelf.turn), 10))) // never fails
	return h.Sum64()
}

// works tells whether a party presigns. The caller holds s.mu.
func (s *stock) works(peer protocol.PeerID) bool {
	for _, m := range s.making {
		if m.has(peer) {
			return true
		}
	}
	return false
}

func pauseOfAccount(id string) string          { return "account/" + id }
func pauseOfParty(peer protocol.PeerID) string { return "party/" + peer }

// paused returns how long an account, or somebody of its set, is not to be asked. The
// caller holds s.mu.
func (s *stock) paused(account string, set []registry.Party, now time.Time) time.Duration {
	of := []string{pauseOfAccount(account)}
	for _, p := range set {
		of = append(of, pauseOfParty(p.Peer))
	}
	wait := time.Duration(0)
	for _, name := range of {
		if p := s.pauses[name]; p != nil {
			wait = max(wait, p.until.Sub(now))
		}
	}
	return wait
}

// rest makes a pause, twice as long as the last one. The caller holds s.mu.
func (s *stock) rest(of string, now time.Time) {
	p := s.pauses[of]
	if p == nil {
		p = &pause{next: restFirst}
		s.pauses[of] = p
	}
	p.until, p.next = now.Add(p.next), min(2*p.next, restMost)
}
