package engine

import (
	"container/list"
	"time"
)

// kind of work that a place is for; each has a bound of its own.
type workKind int

const (
	quickWork  workKind = iota // signatures, and keygens that take milliseconds
	heavyWork                  // ECDSA keygens: seconds of every core
	peopleWork                 // users' devices take part, and people compare fingerprints for minutes
	workKinds  = iota
)

// turns says which sessions are at work, and which one is next. A session that finds no room
// waits in the lane of its account; lanes have their turns one after the other, and who is
// in a lane in the order in which they came. So an account that asks for much
// waits for itself. Nor does it fill the queue: see mayWait.
//
// It is not safe for concurrent use, and keeps no time but the one it is given.
type turns struct {
	most    [workKinds]int // places; quick and heavy work share those of quick work
	atWork  [workKinds]int
	lanes   [workKinds]map[string]*list.Element // of rings, by account
	rings   [workKinds]*list.List               // of *lane, the next one in front
	length  [workKinds]int                      // places that are waited for
	patient [workKinds]int                      // of those, by sessions that have waited for people
	pace    [workKinds]pace
	turn    bool // heavy work is asked first the next time
	closed  bool // nobody is called any more
}

// lane is an account's queue.
type lane struct {
	account string
	waiting *list.List // of *place
}

// place is what a session has, or waits for, to be at work.
type place struct {
	kind    workKind
	account string
	patient bool          // it has waited for people, and was taken in before: see mayWait
	given   chan struct{} // closed when the session may begin
	waits   *list.Element // in its lane; nil: it does not wait
	has     bool
	waited  bool // it was not given at once
}

// newTurns bounds the sessions at work. A sixth of the places may go to heavy work, and
// half as many again are for sessions with people.
func newTurns(most int) *turns {
	t := &turns{most: [workKinds]int{most, max(1, most/6), max(1, most/2)}}
	for k := range t.rings {
		t.lanes[k], t.rings[k] = make(map[string]*list.Element), list.New()
	}
	return t
}

func newPlace(kind workKind, account string) *place {
	return &place{kind: kind, account: account, given: make(chan struct{})}
}

// isFree reports whether a place would be given at once.
func (t *turns) isFree(kind workKind) bool {
	return !t.closed && t.hasRoom(kind) && t.rings[kind].Len() == 0
}

func (t *turns) hasRoom(kind workKind) bool {
	if kind == peopleWork {
		return t.atWork[kind] < t.most[kind]
	}
	return t.atWork[kind] < t.most[kind] && t.atWork[quickWork]+t.atWork[heavyWork] < t.most[quickWork]
}

// mayWait reports whether one more of a kind may wait for an account's turn, when most of the kind
// may wait in all. A lane may grow while it is shorter than what is left of the queue, so that
// one alone takes half of it, and there is room for others whatever one asks
// for. The last places, reserved, are for those that have fewer than few waiting. Who is patient takes none of these
// places: there may be any number of them, which is no reason to refuse another account; to its own lane they count.
func (t *turns) mayWait(kind workKind, account string, most int) bool {
	const few, reserved = 8, 8 // an eighth
	waiting := 0
	if at := t.lanes[kind][account]; at != nil {
		waiting = at.Value.(*lane).waiting.Len()
	}
	queued := t.length[kind] - t.patient[kind]
	if queued >= most {
		return false
	}
	return waiting < few || waiting < most-most/reserved-queued
}

// turnsTo counts the turns up to that of the next session that would wait for an account's turn, its own
// included: in each round every lane has one, so a short lane does not wait for the long ones.
func (t *turns) turnsTo(kind workKind, account string) int {
	own := t.lanes[kind][account]
	ahead := 0
	if own != nil {
		ahead = own.Value.(*lane).waiting.Len()
	}
	n, rounds := ahead+1, ahead+1 // of the lanes before its own, then of those after it
	for at := t.rings[kind].Front(); at != nil; at = at.Next() {
		if at == own {
			rounds--
			continue
		}
		n += min(rounds, at.Value.(*lane).waiting.Len())
	}
	return n
}

// lateness returns by how much the next session that would wait for an account's turn would wait longer
// than most, by the pace at which turns come; false: it would not, or nobody can tell.
func (t *turns) lateness(p *place, most time.Duration, now time.Time) (time.Duration, bool) {
	wait, known := t.pace[p.kind].predict(t.turnsTo(p.kind, p.account), t.most[p.kind], now)
	return wait - most, known && wait > most
}

// waiting counts the sessions that wait for their turn.
func (t *turns) waiting() (n int) {
	for _, k := range t.length {
		n += k
	}
	return n
}

// enduring counts those of them that have waited for people before.
func (t *turns) enduring() (n int) {
	for _, k := range t.patient {
		n += k
	}
	return n
}

// join gives a place, or puts it at the end of its account's lane.
func (t *turns) join(p *place, now time.Time) {
	if t.isFree(p.kind) {
		t.give(p)
		return
	}
	p.waited = true
	at := t.lanes[p.kind][p.account]
	if at == nil {
		at = t.rings[p.kind].PushBack(&lane{account: p.account, waiting: list.New()})
		t.lanes[p.kind][p.account] = at
	}
	p.waits = at.Value.(*lane).waiting.PushBack(p)
	if p.patient {
		t.patient[p.kind]++
	}
	if t.length[p.kind]++; t.length[p.kind] == 1 {
		t.pace[p.kind] = pace{began: now} // what was before says nothing of this queue
	}
}

// give is join for who cannot wait: a session that was at work before a restart.
func (t *turns) give(p *place) {
	p.has = true
	t.atWork[p.kind]++
	close(p.given)
}

// leave gives a place back, or gives the waiting for it up.
func (t *turns) leave(p *place, now time.Time) {
	switch {
	case p.has:
		p.has = false
		t.atWork[p.kind]--
	case p.waits != nil:
		t.remove(p)
	}
	t.call(now)
}

func (t *turns) remove(p *place) {
	at := t.lanes[p.kind][p.account]
	l := at.Value.(*lane)
	l.waiting.Remove(p.waits)
	p.waits = nil
	t.length[p.kind]--
	if p.patient {
		t.patient[p.kind]--
	}
	if l.waiting.Len() == 0 {
		t.rings[p.kind].Remove(at)
		delete(t.lanes[p.kind], p.account)
	}
}

// call gives the places that are free to those whose turn it is. Quick and heavy work
// take turns, so that neither keeps the other from the places that they share.
func (t *turns) call(now time.Time) {
	for !t.closed {
		order := [workKinds]workKind{quickWork, heavyWork, peopleWork}
		if t.turn {
			order[0], order[1] = heavyWork, quickWork
		}
		if !t.callOne(order, now) {
			return
		}
	}
}

func (t *turns) callOne(order [workKinds]workKind, now time.Time) bool {
	for _, kind := range order {
		front := t.rings[kind].Front()
		if front == nil || !t.hasRoom(kind) {
			continue
		}
		p := front.Value.(*lane).waiting.Front().Value.(*place)
		t.rings[kind].MoveToBack(front) // the account's next one comes after all others
		t.remove(p)
		t.give(p)
		t.pace[kind].note(now)
		if kind != peopleWork {
			t.turn = kind == quickWork
		}
		return true
	}
	return false
}

// working counts the sessions at work.
func (t *turns) working() (n int) {
	for _, k := range t.atWork {
		n += k
	}
	return n
}
