package registry

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/protocol"
)

const testRetention = 48 * time.Hour

// clock is a clock that tests move.
type clock struct{ t time.Time }

func newClock() *clock {
	return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *clock) now() time.Time { return c.t }

func openAt(t testing.TB, db *badger.DB, c *clock) *Registry {
	t.Helper()
	r, err := Open(db, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// assertSame compares two states; the order of classes is no part of them.
func assertSame(t *testing.T, live, replayed *Registry) {
	t.Helper()
	for _, r := range []*Registry{live, replayed} {
		r.view.idem.expire(r.now())
		for _, c := range r.view.classes {
			slices.SortFunc(c, func(a, b classList) int { return strings.Compare(fmt.Sprint(a.class), fmt.Sprint(b.class)) })
		}
	}
	a, b := reflect.ValueOf(*live.view), reflect.ValueOf(*replayed.view)
	for i := range a.NumField() {
		if !reflect.DeepEqual(field(a, i), field(b, i)) {
			t.Errorf("field %s differs:\nlive     %v\nreplayed %v", a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
}

// field copies a field that reflect would not let out.
func field(v reflect.Value, i int) any {
	switch f := v.Interface().(view); v.Type().Field(i).Name {
	case "lastSeq":
		return f.lastSeq
	case "sessions":
		return f.sessions
	case "accounts":
		return f.accounts
	case "webhooks":
		return f.webhooks
	case "classes":
		return f.classes
	case "idem":
		return f.idem
	default:
		return fmt.Sprint(v.Field(i)) // maps print in the order of their keys
	}
}

// assertDisk checks that every index entry has its event, every event its index
// entries, and that gaps are what is missing and nothing else.
func assertDisk(t *testing.T, r *Registry) {
	t.Helper()
	events, streams, audits := make(map[uint64]Event), make(map[uint64]string), make(map[uint64]bool)
	ends := make(map[uint64]uint64)
	all, err := r.Log(0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		events[e.Seq] = e
	}
	err = r.db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			key := string(it.Item().KeyCopy(nil))
			seq := binary.BigEndian.Uint64([]byte(key[max(0, len(key)-8):]))
			switch {
			case strings.HasPrefix(key, "idx/audit/"):
				audits[seq] = true
			case strings.HasPrefix(key, "idx/"):
				streams[seq] = key[4 : len(key)-9]
			case strings.HasPrefix(key, "gap/"):
				if err := it.Item().Value(func(b []byte) error { ends[seq] = binary.BigEndian.Uint64(b); return nil }); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= r.LastSeq(); seq++ {
		if e, ok := events[seq]; ok {
			if streams[seq] != e.Stream || audits[seq] != audited(&e) {
				t.Errorf("event %d of %s: index %q, audited %v", seq, e.Stream, streams[seq], audits[seq])
			}
			continue
		}
		first := seq
		for seq < r.LastSeq() && events[seq+1].Seq == 0 {
			seq++
		}
		if ends[first] != seq || ends[seq] != first {
			t.Errorf("gap %d to %d is recorded as %d and %d", first, seq, ends[first], ends[seq])
		}
		delete(ends, first)
		delete(ends, seq)
	}
	if len(streams) != len(events) || len(ends) != 0 {
		t.Errorf("%d index entries for %d events; gaps too many: %v", len(streams), len(events), ends)
	}
}

// TestPruneKeepsReplayEqualToLive prunes a random history in small steps and
// opens the database again between them, as after a crash.
func TestPruneKeepsReplayEqualToLive(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	clock := newClock()
	db := openDB(t, t.TempDir())
	h := &history{t: t, rnd: rnd, r: openAt(t, db, clock)}
	pruned := 0
	for range 60 {
		for range 20 {
			h.step()
			clock.t = clock.t.Add(time.Duration(rnd.IntN(int(time.Hour))))
		}
		h.r.Flush()
		for range rnd.IntN(6) { // no step prunes a whole stream for certain
			n, err := h.r.pruneSome(clock.t.Add(-testRetention), 1+rnd.IntN(12))
			if err != nil {
				t.Fatal(err)
			}
			pruned += n
		}
		h.gone = slices.DeleteFunc(h.gone, func(id string) bool { return h.r.Session(id) == nil && rnd.IntN(3) > 0 })
		assertSame(t, h.r, openAt(t, db, clock))
		assertDisk(t, h.r)
		if t.Failed() {
			return
		}
	}
	if pruned == 0 {
		t.Error("nothing was pruned")
	}
	h.r.Flush()
	if _, err := h.r.Prune(context.Background(), testRetention); err != nil {
		t.Fatal(err)
	}
	assertSame(t, h.r, openAt(t, db, clock))
	assertDisk(t, h.r)
	for id, a := range h.r.view.accounts {
		if a.Status == AccountStatusActive && h.r.Session(a.KeyID) == nil {
			t.Errorf("account %s has a key and lost its keygen session", id)
		}
	}
	for _, id := range h.keys {
		if h.r.Account(id) == nil {
			t.Errorf("account %s had a key and is gone", id)
		}
	}
	for _, s := range h.r.view.sessions {
		if classOf(s).prunable() && s.Updated.Before(clock.t.Add(-testRetention)) {
			t.Errorf("session %s ended at %v and is still there", s.ID, s.Finished)
		}
	}
}

func TestPruneKeepsWhatIsYoungOrHasAKey(t *testing.T) {
	clock := newClock()
	r := openAt(t, openDB(t, t.TempDir()), clock)
	h := &history{t: t, rnd: rand.New(rand.NewPCG(1, 1)), r: r}
	h.add(Event{Stream: SessionStream("k"), Type: SessionCreated, Session: &NewSession{Kind: protocol.KindKeygen, Account: "a"}},
		Event{Stream: AccountStream("a"), Type: AccountCreated, Account: &NewAccount{Owner: "u", KeyID: "k"}},
		Event{Stream: SessionStream("k"), Type: SessionCompleted},
		Event{Stream: AccountStream("a"), Type: AccountActivated, Key: &Key{PublicKey: []byte{1}}},
		created("old", "a"), created("slow", "a"), Event{Stream: SessionStream("old"), Type: SessionCompleted})
	r.Flush()
	clock.t = clock.t.Add(testRetention + time.Minute)
	h.add(Event{Stream: SessionStream("slow"), Type: SessionCompleted}, created("open", "a"))
	r.Flush()
	if n, err := r.Prune(context.Background(), 0); n != 0 || err != nil {
		t.Errorf("no retention, and %d events are gone; %v", n, err)
	}
	if n, err := r.Prune(context.Background(), testRetention); n != 2 || err != nil {
		t.Errorf("%d events are gone; %v", n, err)
	}
	for id, want := range map[string]bool{"k": true, "old": false, "slow": true, "open": true} {
		if got := r.Session(id) != nil; got != want {
			t.Errorf("session %s is there: %v", id, got)
		}
	}
	if list, _ := r.Sessions(SessionFilter{Account: "a"}, Page{Limit: 10}); len(list) != 3 {
		t.Errorf("%d sessions are listed", len(list))
	}
	if events, err := r.Events(SessionStream("old"), 0, 10); len(events) != 0 || err != nil {
		t.Errorf("events of a pruned session: %v, %v", events, err)
	}
}

func TestPruneWithinADayIsRefused(t *testing.T) {
	clock := newClock()
	r := openAt(t, openDB(t, t.TempDir()), clock)
	if err := r.Append(created("1", "a"), Event{Stream: SessionStream("1"), Type: SessionCompleted}); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(time.Hour)
	if n, err := r.Prune(context.Background(), time.Minute); n != 0 || err != nil {
		t.Errorf("%d, %v: repeated requests would not find what they made", n, err)
	}
}

// TestFailuresAreBounded drops the oldest of too many, though nothing else is
// ever dropped.
func TestFailuresAreBounded(t *testing.T) {
	clock := newClock()
	db := openDB(t, t.TempDir())
	r := openAt(t, db, clock)
	const extra = 700
	if err := r.Append(created("1", "a"), Event{Stream: SessionStream("1"), Type: SessionCompleted}); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		r.Note(nil, Event{Stream: AuthFailures, Type: AuthFailed, Count: 1})
	}
	r.Flush()
	r.view.ageing[AuthFailures] += maxAgeing - 1000 + extra // as if there were so many
	clock.t = clock.t.Add(10 * testRetention)
	if n, err := r.Prune(t.Context(), 0); n != extra || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	r.view.ageing[AuthFailures] = 1000 - extra
	if events, err := r.Events(AuthFailures, 0, 1000); err != nil || len(events) != 1000-extra || events[0].Seq != 3+extra {
		t.Errorf("%d events are left, %v", len(events), err)
	}
	assertSame(t, r, openAt(t, db, clock))
	assertDisk(t, r)
}

func TestPruneStopsWithItsContext(t *testing.T) {
	clock := newClock()
	r := openAt(t, openDB(t, t.TempDir()), clock)
	if err := r.Append(created("1", "a"), Event{Stream: SessionStream("1"), Type: SessionCompleted}); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(testRetention + time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if n, err := r.Prune(ctx, testRetention); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestLossBesideAGapIsRefused takes events away that Prune did not, before, in
// and behind a gap.
func TestLossBesideAGapIsRefused(t *testing.T) {
	for _, lost := range []uint64{1, 4, 6} {
		clock := newClock()
		db := openDB(t, t.TempDir())
		r := openAt(t, db, clock)
		if err := r.Append(created("keep", "a"), created("1", "a"), Event{Stream: SessionStream("1"), Type: SessionCompleted}, created("keep2", "a"), created("keep3", "a")); err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(testRetention + time.Hour)
		if n, err := r.Prune(context.Background(), testRetention); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if err := r.Append(created("keep4", "a"), created("keep5", "a")); err != nil {
			t.Fatal(err)
		}
		openAt(t, db, clock) // it can be opened as it is
		if err := db.Update(func(txn *badger.Txn) error { return txn.Delete(logKey(lost)) }); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(db, clock.now); !errors.Is(err, ErrFormat) {
			t.Errorf("event %d is lost: error %v", lost, err)
		}
	}
}

// TestNumbersOfPrunedEventsAreNotUsedAgain prunes the newest events.
func TestNumbersOfPrunedEventsAreNotUsedAgain(t *testing.T) {
	clock := newClock()
	db := openDB(t, t.TempDir())
	r := openAt(t, db, clock)
	if err := r.Append(created("1", "a"), Event{Stream: SessionStream("1"), Type: SessionCompleted}); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(testRetention + time.Hour)
	if n, err := r.Prune(context.Background(), testRetention); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	again := openAt(t, db, clock)
	if err := again.Append(created("2", "a")); err != nil {
		t.Fatal(err)
	}
	if s := again.Session("2"); s.Seq != 3 {
		t.Errorf("sequence %d", s.Seq)
	}
}

// TestPruneBesideEverything prunes while sessions begin and end and others read.
func TestPruneBesideEverything(t *testing.T) {
	db := openDB(t, t.TempDir())
	base, passed := newClock().t, atomic.Int64{}
	now := func() time.Time { return base.Add(time.Duration(passed.Load())) }
	r, err := Open(db, now)
	if err != nil {
		t.Fatal(err)
	}
	var writers, others sync.WaitGroup
	done := make(chan struct{})
	for w := range 4 {
		writers.Go(func() {
			for i := range 100 {
				id := fmt.Sprintf("%d-%d", w, i)
				if err := r.Append(created(id, "a"), Event{Stream: SessionStream(id), Type: SessionCompleted, Actor: &Actor{Key: "k"}}); err != nil {
					t.Error(err)
				}
				r.Note(nil, Event{Stream: SessionStream(id), Type: OutcomeLate, SID: id, Party: "p"}, Event{Stream: AuthFailures, Type: AuthFailed})
				passed.Add(int64(time.Hour))
			}
		})
	}
	for _, work := range []func() error{
		func() error { _, err := r.Prune(t.Context(), testRetention); return err },
		func() error { _, _, err := r.Audit(AuditFilter{Account: "a"}, Page{Limit: 20}); return err },
		func() error { _, err := r.WaitFinished(t.Context(), "0-1"); return err },
		func() error {
			sessions, _ := r.Sessions(SessionFilter{Status: StatusCompleted}, Page{Limit: 20})
			for _, s := range sessions {
				if _, err := r.Events(SessionStream(s.ID), 0, 10); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		others.Go(func() {
			for {
				if err := work(); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(done)
	others.Wait()
	r.Flush()
	again, err := Open(db, now)
	if err != nil {
		t.Fatal(err)
	}
	assertSame(t, r, again)
	assertDisk(t, r)
	if n := len(r.view.sessions); n == 400 {
		t.Error("nothing was pruned")
	}
}

// TestPruneOfALongSession drops a session with more events than one transaction
// may have.
func TestPruneOfALongSession(t *testing.T) {
	clock := newClock()
	db := openDB(t, t.TempDir())
	r := openAt(t, db, clock)
	r.Note(nil, created("long", "a"))
	for i := range 3 * maxPruneEvents {
		r.Note(nil, Event{Stream: SessionStream("long"), Type: PartyProgress, Round: i})
	}
	if err := r.Append(Event{Stream: SessionStream("long"), Type: SessionCompleted}); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(testRetention + time.Hour)
	n, err := r.Prune(context.Background(), testRetention)
	if err != nil || n != 3*maxPruneEvents+2 {
		t.Errorf("%d, %v", n, err)
	}
	assertSame(t, r, openAt(t, db, clock))
	assertDisk(t, r)
}
