package registry

import (
	"fmt"
	"testing"
	"time"
)

// What means nothing without other events is written with them or after them, and not
// at all if they cannot be.
func TestAppendToABatch(t *testing.T) {
	r := open(t, openDB(t, t.TempDir()))
	version := r.db.MaxVersion()
	begun := r.Begin(created("1", "a"))
	if r.Session("1") != nil {
		t.Error("it is part of the state before it is durable")
	}
	if err := begun.Append(Event{Stream: SessionStream("1"), Type: SessionCompleted}); err != nil {
		t.Fatal(err)
	}
	if s := r.Session("1"); s == nil || s.Status != StatusCompleted || s.LastSeq != 2 {
		t.Errorf("%+v", s)
	}
	if err := begun.Wait(); err != nil || r.db.MaxVersion() != version+1 {
		t.Errorf("%v; %d transactions", err, r.db.MaxVersion()-version)
	}

	unwritable := created("2", "a")
	unwritable.Device = DeviceInfo{"name": func() {}} // has no JSON
	begun = r.Begin(unwritable)
	other := r.Begin(created("3", "a"))
	if err := begun.Append(Event{Stream: SessionStream("2"), Type: SessionCompleted}); err == nil {
		t.Error("the end of what is not in the log was written")
	}
	if err := begun.Wait(); err == nil {
		t.Error("an event that cannot be written was")
	}
	if err := other.Wait(); err != nil || r.Session("2") != nil || r.Session("3") == nil || r.view.lastSeq != 3 {
		t.Errorf("%v; the last event is %d", err, r.view.lastSeq)
	}
}

// Who leaves the writing to others returns when they have done it, and does it when
// nobody does.
func TestWaitWithin(t *testing.T) {
	r := open(t, openDB(t, t.TempDir()))
	for i, other := range []bool{true, false} {
		within := time.Millisecond
		if other {
			within = time.Hour
		}
		begun, returned := r.Begin(created(fmt.Sprint(i), "a")), make(chan error)
		go func() { returned <- begun.WaitWithin(within) }()
		if other {
			if err := r.Append(created("x", "a")); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-returned; err != nil || r.Session(fmt.Sprint(i)) == nil {
			t.Errorf("%v; %+v", err, r.Session(fmt.Sprint(i)))
		}
	}
}
