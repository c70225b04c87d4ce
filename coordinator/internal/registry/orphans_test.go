package registry

import (
	"fmt"
	"testing"
	"time"
)

func orphaned(sid, party string) Event {
	return Event{Stream: "orphan/" + sid, Type: OutcomeOrphaned, SID: sid, Party: party}
}

// TestOrphansGrowOld keeps sessions for ever, and orphans for their 90 days.
func TestOrphansGrowOld(t *testing.T) {
	clock := newClock()
	db := openDB(t, t.TempDir())
	r := openAt(t, db, clock)
	start := clock.t
	for day, e := range []Event{created("s", "a"), orphaned("1", "p"), orphaned("2", "p")} {
		clock.t = start.Add(time.Duration(day) * 24 * time.Hour)
		if err := r.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Append(Event{Stream: SessionStream("s"), Type: SessionCompleted}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ day, orphans int }{{90, 2}, {92, 1}, {93, 0}} {
		clock.t = start.Add(time.Duration(c.day)*24*time.Hour - time.Hour)
		if _, err := r.Prune(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if len(r.view.orphans) != c.orphans || r.Session("s") == nil {
			t.Errorf("day %d: %d orphans are left", c.day, len(r.view.orphans))
		}
	}
	assertSame(t, r, openAt(t, db, clock))
	assertDisk(t, r)
}

// TestOrphansAreBounded has parties send more than there may be, and looks that
// the newest are left, on disk as well.
func TestOrphansAreBounded(t *testing.T) {
	clock := newClock()
	db := openDB(t, t.TempDir())
	r := openAt(t, db, clock)
	const more = maxOrphans / 10
	for i := range maxOrphans + more {
		clock.t = clock.t.Add(time.Millisecond)
		r.Note(nil, orphaned(fmt.Sprintf("%064d", i/2), fmt.Sprint("p", i%2)))
	}
	r.Flush()
	select {
	case <-r.Crowded():
		t.Error("it is told too early")
	default:
	}
	if err := r.Append(orphaned("last", "p")); err != nil {
		t.Fatal(err)
	}
	<-r.Crowded()
	n, err := r.Prune(t.Context(), 0)
	if err != nil || n != more+2 { // whole streams go, of two each
		t.Errorf("%d were pruned, %v", n, err)
	}
	if r.view.orphanage != maxOrphans-1 || len(r.view.late) != maxOrphans-1 || !r.view.has("last") || r.view.has(fmt.Sprintf("%064d", 0)) {
		t.Errorf("%d orphans, %d of them known", r.view.orphanage, len(r.view.late))
	}
	again := openAt(t, db, clock)
	assertSame(t, r, again)
	assertDisk(t, again)
}

func (v *view) has(sid string) bool {
	_, ok := v.orphans["orphan/"+sid]
	return ok
}
