package engine

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// pass is one look for something to make. It asks once for each party. The stock's lock
// guards it.
type pass struct {
	*stock
	now     time.Time
	next    time.Duration // when another look may be worth it
	parties map[protocol.PeerID]*standing
	free    int // of them
}

// standing is what a party can do now.
type standing struct {
	there bool // can be asked
	rests bool // should not be
	works bool // presigns
}

func (s *standing) isFree() bool { return s.there && !s.rests && !s.works }

func (s *stock) newPass(now time.Time) *pass {
	p := &pass{stock: s, now: now, next: presignSweep, parties: make(map[protocol.PeerID]*standing)}
	for _, known := range s.e.cfg.Pool.All() {
		pause := pauseOfParty(known.Peer)
		wait := s.pausedFor(now, pause, silenceOf(pause), distrustOf(pause), roomOf(pause))
		st := &standing{there: known.Live && !known.Draining && s.greeted[known.Peer], rests: wait > 0}
		if wait > 0 {
			p.next = min(p.next, wait)
		}
		p.parties[known.Peer] = st
	}
	for _, m := range s.making {
		for _, x := range m.parties {
			p.look(x.Peer).works = true
		}
	}
	for _, st := range p.parties {
		if st.isFree() {
			p.free++
		}
	}
	return p
}

func (p *pass) look(peer protocol.PeerID) *standing {
	st := p.parties[peer]
	if st == nil {
		st = &standing{}
		p.parties[peer] = st
	}
	return st
}

// busy takes note that a party that was free presigns.
func (p *pass) busy(peer protocol.PeerID) {
	p.look(peer).works = true
	p.free--
}

// setOf returns who presigns for an account: the same parties as long as they can, so
// that what is made fits together; nil if there are too few. Who rests is not waited for
// if there are enough others.
func (p *pass) setOf(w want) []registry.Party {
	t := w.account.Threshold.T
	var there, awake []registry.Party
	for _, x := range presigners(w.account) {
		if st := p.look(x.Peer); st.there {
			there = append(there, x)
			if !st.rests {
				awake = append(awake, x)
			}
		}
	}
	if len(awake) >= t {
		there = awake
	}
	missing := func(x registry.Party) bool { return !slices.Contains(there, x) }
	if len(w.shelf.set) == t && !slices.ContainsFunc(w.shelf.set, missing) {
		return w.shelf.set
	}
	if len(there) < t {
		return nil
	}
	warm := p.e.warm.last(w.account.ID) // they have an open topic for it, and have signed
	cold := func(x registry.Party) int {
		if slices.Contains(warm, x.Peer) {
			return 0
		}
		return 1
	}
	slices.SortFunc(there, func(a, b registry.Party) int {
		return cmp.Or(
			cmp.Compare(w.shelf.failed[a.Peer], w.shelf.failed[b.Peer]), cmp.Compare(p.silence(a.Peer), p.silence(b.Peer)), cmp.Compare(cold(a), cold(b)),
			cmp.Compare(p.load[a.Peer], p.load[b.Peer]), cmp.Compare(w.lot(a), w.lot(b)))
	})
	set := there[:t]
	slices.SortFunc(set, func(a, b registry.Party) int {
		return cmp.Compare(slices.Index(w.account.Parties, a), slices.Index(w.account.Parties, b))
	})
	p.assign(w.shelf, set)
	return set
}

// lot is a number that differs by account, party and turn, so that accounts are spread
// over parties.
func (w want) lot(p registry.Party) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(w.account.ID + "\x00" + p.Peer + "\x00" + strconv.FormatUint(uint64(w.shelf.turn), 10))) // never fails
	return h.Sum64()
}

// pause is the time for which somebody is not asked to presign.
type pause struct {
	until time.Time
	next  time.Duration // the pause after that
	most  time.Duration // the longest; without another one for so long, the next is the first again
}

func pauseOfAccount(id string) string          { return "account/" + id }
func pauseOfParty(peer protocol.PeerID) string { return "party/" + peer }

// distrustOf names the pause of who has spoilt what was made with it. A presigning that
// succeeds does not end it: such a party presigns well.
func distrustOf(pause string) string { return "distrust/" + pause }

// silenceOf names the pause of who never said that it holds what it was to make, or had to wait for
// somebody who did not.
func silenceOf(pause string) string { return "silence/" + pause }

// silence grows with the presignings for which others waited in vain, one of which was this party.
func (s *stock) silence(peer protocol.PeerID) time.Duration {
	if p := s.pauses[silenceOf(pauseOfParty(peer))]; p != nil {
		return p.next
	}
	return 0
}

// pausedFor returns how long the longest of these pauses still is. The caller holds s.mu.
func (s *stock) pausedFor(now time.Time, of ...string) (wait time.Duration) {
	for _, name := range of {
		if p := s.pauses[name]; p != nil {
			wait = max(wait, p.until.Sub(now))
		}
	}
	return wait
}

// rest makes a pause, twice as long as the last one. The caller holds s.mu.
func (s *stock) rest(of string, now time.Time) { s.restLong(of, now, restFirst, restMost) }

// distrust is rest for who has spoilt what was made with it.
func (s *stock) distrust(of string, now time.Time) {
	s.restLong(distrustOf(of), now, distrustFirst, distrustMost)
}

func (s *stock) restLong(of string, now time.Time, first, most time.Duration) {
	p := s.pauses[of]
	if p == nil {
		p = &pause{next: first, most: most}
		s.pauses[of] = p
	}
	p.until, p.next = now.Add(p.next), min(2*p.next, most)
}
