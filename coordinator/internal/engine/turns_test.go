package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// turnsTest is a set of turns whose sessions end when the test says so.
type turnsTest struct {
	*turns
	t   *testing.T
	now time.Time
}

func newTurnsTest(t *testing.T, most int) *turnsTest {
	return &turnsTest{turns: newTurns(most), t: t, now: time.Unix(1, 0)}
}

func (t *turnsTest) ask(kind workKind, account string) *place {
	p := newPlace(kind, account)
	t.join(p, t.now)
	return p
}

func isGiven(p *place) bool {
	select {
	case <-p.given:
		return true
	default:
		return false
	}
}

// next ends a session that is at work and returns who got its place.
func (t *turnsTest) next(ends *place, waiting []*place) *place {
	t.t.Helper()
	before := make([]bool, len(waiting))
	for i, p := range waiting {
		before[i] = isGiven(p)
	}
	t.leave(ends, t.now)
	for i, p := range waiting {
		if !before[i] && isGiven(p) {
			return p
		}
	}
	return nil
}

func TestTurnsGoRoundTheAccounts(t *testing.T) {
	for _, most := range []int{1, 6} {
		q := newTurnsTest(t, most)
		var working []*place
		for range most {
			working = append(working, q.ask(quickWork, "first"))
		}
		var waiting []*place
		for range 100 {
			waiting = append(waiting, q.ask(quickWork, "busy"))
		}
		for i := range 3 {
			waiting = append(waiting, q.ask(quickWork, fmt.Sprintf("small%d", i)))
		}
		var order []string
		for len(order) < 8 {
			p := q.next(working[0], waiting)
			working = append(working[1:], p)
			order = append(order, p.account)
		}
		want := []string{"busy", "small0", "small1", "small2", "busy", "busy", "busy", "busy"}
		if !slices.Equal(order, want) {
			t.Errorf("%d places: turns came to %v, want %v", most, order, want)
		}
	}
}

func TestTurnsWithinAnAccountComeInOrder(t *testing.T) {
	q := newTurnsTest(t, 1)
	at := q.ask(quickWork, "a")
	var waiting []*place
	for range 20 {
		waiting = append(waiting, q.ask(quickWork, "a"))
	}
	q.leave(waiting[4], q.now) // gives up
	if isGiven(waiting[4]) || isGiven(waiting[0]) || q.length[quickWork] != 19 {
		t.Fatalf("who gives up the wait gives nobody a place, and %d wait", q.length[quickWork])
	}
	for i, want := range waiting {
		if i == 4 {
			continue
		}
		if at = q.next(at, waiting); at != want {
			t.Fatalf("turn %d came to another", i)
		}
	}
}

// TestTurnsShareThePlaces: neither heavy work nor sessions with people keep signatures out, nor
// the other way round.
func TestTurnsShareThePlaces(t *testing.T) {
	q := newTurnsTest(t, 12) // 2 for heavy work, 6 more for people
	var heavy, people, quick []*place
	for i := range 20 {
		heavy = append(heavy, q.ask(heavyWork, fmt.Sprint(i)))
		people = append(people, q.ask(peopleWork, fmt.Sprint(i)))
	}
	for i := range 20 {
		quick = append(quick, q.ask(quickWork, fmt.Sprint(i)))
	}
	if q.atWork != [workKinds]int{10, 2, 6} {
		t.Fatalf("%v at work", q.atWork)
	}
	q.next(heavy[0], heavy)
	q.next(quick[0], quick)
	q.next(people[0], people)
	if q.atWork != [workKinds]int{10, 2, 6} || !isGiven(heavy[2]) || !isGiven(quick[10]) || !isGiven(people[6]) {
		t.Errorf("%v at work", q.atWork)
	}
}

// TestOnePlaceIsShared: with a single place heavy and quick work take turns.
func TestOnePlaceIsShared(t *testing.T) {
	q := newTurnsTest(t, 1)
	at := q.ask(quickWork, "a")
	var waiting []*place
	for range 4 {
		waiting = append(waiting, q.ask(heavyWork, "h"), q.ask(quickWork, "q"))
	}
	kinds := make(map[workKind]int)
	for range 4 {
		at = q.next(at, waiting)
		kinds[at.kind]++
	}
	if kinds[heavyWork] != 2 || kinds[quickWork] != 2 {
		t.Errorf("of 4 turns %d were for heavy work", kinds[heavyWork])
	}
}

// TestTurnsNeverExceedTheirBounds, whoever comes, goes and gives up.
func TestTurnsNeverExceedTheirBounds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	q := newTurnsTest(t, 7)
	var all []*place
	for range 20000 {
		if rng.IntN(2) == 0 || len(all) == 0 {
			all = append(all, q.ask(workKind(rng.IntN(int(workKinds))), fmt.Sprint(rng.IntN(5))))
		} else {
			i := rng.IntN(len(all))
			q.leave(all[i], q.now)
			all = slices.Delete(all, i, i+1)
		}
		given := 0
		for _, p := range all {
			if isGiven(p) != p.has {
				t.Fatal("a place is given that nobody has")
			}
			if p.has {
				given++
			}
		}
		switch {
		case given != q.working(), len(all)-given != q.waiting():
			t.Fatalf("%d of %d are at work; %d and %d were counted", given, len(all), q.working(), q.waiting())
		case q.atWork[quickWork]+q.atWork[heavyWork] > 7 || q.atWork[heavyWork] > 1 || q.atWork[peopleWork] > 3:
			t.Fatalf("%v at work", q.atWork)
		case q.atWork[quickWork]+q.atWork[heavyWork] < 7 && q.rings[quickWork].Len() > 0:
			t.Fatal("a place is free, and somebody waits for it")
		}
		if len(all) > 200 {
			all = all[:0:0]
			q = newTurnsTest(t, 7)
		}
	}
}

func TestNoTurnsWhenClosed(t *testing.T) {
	q := newTurnsTest(t, 1)
	at, second := q.ask(quickWork, "a"), q.ask(quickWork, "b")
	q.closed = true
	if q.next(at, []*place{second}) != nil || isGiven(q.ask(quickWork, "c")) {
		t.Error("a turn came although nobody is called any more")
	}
}

// TestNobodyFillsTheQueue: one account takes half of it, and whoever comes then has room,
// while other kinds of work have a queue of their own.
func TestNobodyFillsTheQueue(t *testing.T) {
	const most = 1024
	q := newTurnsTest(t, 1)
	q.ask(quickWork, "busy")
	fill := func(kind workKind, account string) (n int) {
		for q.mayWait(kind, account, most) {
			q.ask(kind, account)
			n++
		}
		return n
	}
	if n := fill(quickWork, "busy"); n != 448 { // half of what is not reserved
		t.Errorf("one account has %d waiting", n)
	}
	if n := fill(heavyWork, "busy"); n != 448 {
		t.Errorf("%d keygens of one owner wait beside signatures", n)
	}
	for i := range 100 {
		fill(quickWork, fmt.Sprintf("greedy%d", i))
		if !q.mayWait(quickWork, "small", most) && q.length[quickWork] < most {
			t.Fatalf("after %d greedy accounts there is no room for another's first session", i+1)
		}
		if i == 9 && !q.mayWait(quickWork, "small", most) {
			t.Fatal("ten greedy accounts fill the queue")
		}
	}
	if n := q.length[quickWork]; n != most {
		t.Errorf("%d wait", n)
	}
}

func TestPaceTellsWhenToComeAgain(t *testing.T) {
	now := time.Unix(1, 0)
	p := pace{began: now}
	for after, want := range map[time.Duration]time.Duration{0: firstRetry, 20 * time.Second: 20 * time.Second, time.Hour: mostRetry} {
		if d := p.wait(500, now.Add(after)); d != want {
			t.Errorf("%v, %v after the queue began and before the first turn; want %v", d, after, want)
		}
	}
	for i := range 200 { // four a second
		now = now.Add(250 * time.Millisecond)
		p.note(now)
		if d := p.wait(40, now); i > 0 && d != 10*time.Second {
			t.Fatalf("40 turns at four a second: %v after %d turns", d, i+1)
		}
	}
	for turns, want := range map[int]time.Duration{1: time.Second, 40: 10 * time.Second, 100000: mostRetry} {
		if d := p.wait(turns, now); d != want {
			t.Errorf("%d turns at four a second: %v, want %v", turns, d, want)
		}
	}
	if d := p.wait(40, now.Add(time.Hour)); d != mostRetry {
		t.Errorf("%v after an hour without a turn", d)
	}
}

// TestPaceIsOfThisQueue: neither the first burst after a start nor one after a quiet hour
// makes callers stay away for longer than its sessions take.
func TestPaceIsOfThisQueue(t *testing.T) {
	q := newTurnsTest(t, 1)
	for range 2 {
		at := q.ask(quickWork, "a")
		var waiting []*place
		for range 200 {
			waiting = append(waiting, q.ask(quickWork, "a"))
		}
		if d := q.pace[quickWork].wait(100, q.now); d != firstRetry {
			t.Errorf("%v, asked when nobody has had a turn yet", d)
		}
		for _, next := range waiting {
			q.now = q.now.Add(10 * time.Millisecond)
			q.leave(at, q.now)
			at = next
		}
		if d := q.pace[quickWork].wait(200, q.now); d != 2*time.Second {
			t.Errorf("%v for what takes 2 s", d)
		}
		q.leave(at, q.now)
		q.now = q.now.Add(time.Hour)
	}
}

// TestTurnsToIsWhatComes: it is known in advance how many turns come up to that of a newcomer, if nobody
// else comes.
func TestTurnsToIsWhatComes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		q := newTurnsTest(t, 1)
		at := q.ask(quickWork, "first")
		var waiting []*place
		for range rng.IntN(60) {
			waiting = append(waiting, q.ask(quickWork, fmt.Sprint(rng.IntN(1+rng.IntN(8)))))
		}
		for range rng.IntN(1 + len(waiting)/2) { // so that the ring is somewhere in the middle
			at = q.next(at, waiting)
		}
		account := fmt.Sprint(rng.IntN(9))
		want := q.turnsTo(quickWork, account)
		newcomer := q.ask(quickWork, account)
		waiting = append(waiting, newcomer)
		turns := 0
		for !isGiven(newcomer) {
			at = q.next(at, waiting)
			turns++
		}
		if turns != want {
			t.Fatalf("the turn came as number %d, expected was %d", turns, want)
		}
	}
}

// TestPaceIsKnownWhenAllPlacesHaveChanged, or after a minute: those who began together end together.
func TestPaceIsKnownWhenAllPlacesHaveChanged(t *testing.T) {
	now := time.Unix(1, 0)
	p := pace{began: now}
	for i := range 48 {
		if _, known := p.predict(1, 48, now); known {
			t.Fatalf("known after %d turns", i)
		}
		now = now.Add(100 * time.Millisecond)
		p.note(now)
	}
	if d, known := p.predict(480, 48, now); !known || d != 48*time.Second {
		t.Errorf("%v, %v for 480 turns at ten a second", d, known)
	}
	slow := pace{began: now}
	for range 3 {
		now = now.Add(30 * time.Second)
		slow.note(now)
	}
	if d, known := slow.predict(16, 48, now); !known || d != 30*time.Second {
		t.Errorf("%v, %v for 16 turns when 48 may come at any moment, 90 s after they began", d, known)
	}
	if d, known := slow.predict(16, 48, now.Add(90*time.Second)); !known || d != time.Minute {
		t.Errorf("%v, %v when no turn has come since", d, known)
	}
	for range 45 {
		now = now.Add(30 * time.Second)
		slow.note(now)
	}
	if d, known := slow.predict(10, 48, now); !known || d != 5*time.Minute {
		t.Errorf("%v, %v for 10 turns at two a minute", d, known)
	}
}

// TestSlowWorkThatBeganTogetherIsNotSlow: all of it ends soon after the first of it.
func TestSlowWorkThatBeganTogetherIsNotSlow(t *testing.T) {
	q := newTurnsTest(t, DefaultMaxSessions)
	var working []*place
	for i := range 8 + 12 {
		working = append(working, q.ask(heavyWork, fmt.Sprint(i)))
	}
	q.now = q.now.Add(70 * time.Second)
	for i, p := range working[:8] {
		q.leave(p, q.now)
		if late, is := q.lateness(newPlace(heavyWork, "new"), mostWait, q.now); is {
			t.Errorf("after %d of 8 have ended: %v", i+1, mostWait+late)
		}
		q.now = q.now.Add(100 * time.Millisecond)
	}
}
