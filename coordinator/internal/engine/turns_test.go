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
	t.join(p)
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
	if isGiven(waiting[4]) || isGiven(waiting[0]) || q.length != 19 {
		t.Fatalf("who gives up the wait gives nobody a place, and %d wait", q.length)
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
		case given != q.working(), len(all)-given != q.length:
			t.Fatalf("%d of %d are at work; %d and %d were counted", given, len(all), q.working(), q.length)
		case q.atWork[quickWork]+q.atWork[heavyWork] > 7 || q.atWork[heavyWork] > 1 || q.atWork[peopleWork] > 3:
			t.Fatalf("%v at work", q.atWork)
		case q.length > 0 && q.atWork[quickWork]+q.atWork[heavyWork] < 7 && q.rings[quickWork].Len() > 0:
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

func TestPaceTellsWhenToComeAgain(t *testing.T) {
	q := newTurnsTest(t, 1)
	if d := q.pace.wait(1, q.now); d != mostRetry {
		t.Errorf("%v before the first turn", d)
	}
	for range 200 { // four a second
		q.now = q.now.Add(250 * time.Millisecond)
		q.pace.note(q.now)
	}
	for turns, want := range map[int]time.Duration{1: time.Second, 40: 10 * time.Second, 100000: mostRetry} {
		if d := q.pace.wait(turns, q.now); d != want {
			t.Errorf("%d turns at four a second: %v, want %v", turns, d, want)
		}
	}
	if d := q.pace.wait(40, q.now.Add(time.Hour)); d != mostRetry {
		t.Errorf("%v after an hour without a turn", d)
	}
}
