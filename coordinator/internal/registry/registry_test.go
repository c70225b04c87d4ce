package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func openDB(t testing.TB, dir string) *badger.DB {
	t.Helper()
	db, err := keystore.OpenDB(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !db.IsClosed() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return db
}

func open(t testing.TB, db *badger.DB) *Registry {
	t.Helper()
	r, err := Open(db, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func created(id, account string) Event {
	return Event{Stream: SessionStream(id), Type: SessionCreated, Session: &NewSession{
		Kind: protocol.KindSign, Account: account, Owner: "u", KeyID: "k", Scheme: protocol.ECDSA,
		Threshold: protocol.Threshold{T: 2, N: 3}, Payload: []byte{1, 2}, Expires: time.Now().UTC().Round(0),
	}}
}

// TestReplayEqualsLive writes a random history and compares the state of the
// registry that wrote it with one that replays it.
func TestReplayEqualsLive(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	db := openDB(t, dir)
	live := open(t, db)
	parties := []Party{{Peer: "peer1", Name: "p1"}, {Peer: "peer2", Name: "p2"}}
	steps := []func(id string) Event{
		func(id string) Event {
			return Event{Type: AttemptStarted, Attempt: 1, SID: "sid" + id, Start: &Start{Spec: []byte{3}, Parties: parties}}
		},
		func(id string) Event { return Event{Type: PartyAccepted, SID: "sid" + id, Party: "peer1"} },
		func(id string) Event {
			return Event{Type: PartyProgress, SID: "sid" + id, Party: "peer2", Phase: protocol.PhaseRounds, Round: 3, Rounds: 9}
		},
		func(id string) Event { return Event{Type: PartyRefused, SID: "other", Party: "peer1", Code: "busy"} },
		func(id string) Event { return Event{Type: PartyLost, SID: "sid" + id, Party: "peer2"} },
		func(id string) Event {
			return Event{Type: OutcomeLate, SID: "sid" + id, Party: "peer1", Code: "timeout"}
		},
		func(id string) Event {
			return Event{Type: SessionCompleted, SID: "sid" + id, Signature: &Signature{Bytes: make([]byte, 64), Recovery: 1}}
		},
		func(id string) Event {
			return Event{Type: SessionFailed, Problem: &Problem{Code: CodePartyLost, Detail: "gone", Parties: []PartyProblem{{Party: parties[0]}}}}
		},
	}
	for i := range 100 {
		id := fmt.Sprint(i)
		account := Event{Stream: AccountStream("a" + id), Type: AccountCreated, Account: &NewAccount{Owner: "u", Labels: map[string]string{"a": "b"}}}
		if err := live.Append(created(id, "a"+id), account); err != nil {
			t.Fatal(err)
		}
		for range rnd.IntN(len(steps)) {
			e := steps[rnd.IntN(len(steps))](id)
			e.Stream = SessionStream(id)
			if rnd.IntN(2) == 0 {
				live.Note(nil, e)
			} else if err := live.Append(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	live.Flush()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	replayed := open(t, openDB(t, dir))
	if !reflect.DeepEqual(live.view, replayed.view) {
		t.Errorf("live and replayed state differ")
	}
}

func TestConcurrentAppendsAreOrderedWithoutGaps(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	r := open(t, db)
	const writers, each = 16, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				if err := r.Append(created(id, "a"), Event{Stream: SessionStream(id), Type: SessionFailed, Problem: &Problem{Code: "c"}}); err != nil {
					t.Error(err)
				}
				if s := r.Session(id); s == nil || s.Status != StatusFailed {
					t.Errorf("session %s is %+v after Append", id, s)
				}
			}
		})
	}
	all.Wait()
	if got := r.view.lastSeq; got != 2*writers*each {
		t.Errorf("last sequence %d", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, openDB(t, dir)) // refuses gaps
	if len(again.view.sessions) != writers*each {
		t.Errorf("%d sessions", len(again.view.sessions))
	}
}

func TestNoteComesAfterWhatWasBeforeIt(t *testing.T) {
	r := open(t, openDB(t, t.TempDir()))
	called := make(chan error, 1)
	r.Note(func(err error) { called <- err }, created("1", "a"))
	if r.Session("1") != nil {
		t.Error("a note is part of the state before it is durable")
	}
	if err := r.Append(created("2", "a")); err != nil {
		t.Fatal(err)
	}
	if err := <-called; err != nil || r.Session("1") == nil || r.Session("1").Seq != 1 {
		t.Errorf("%v, %+v", err, r.Session("1"))
	}
}

func TestManyNotesFitIntoTransactions(t *testing.T) {
	r := open(t, openDB(t, t.TempDir()))
	big := strings.Repeat("x", 100<<10)
	for i := range 600 {
		e := created(fmt.Sprint(i), "a")
		if i%50 == 0 {
			e.Detail = big
		}
		r.Note(nil, e)
	}
	r.Flush()
	if n := len(r.view.sessions); n != 600 {
		t.Errorf("%d sessions", n)
	}
}

func TestFailedWriteIsTold(t *testing.T) {
	db := openDB(t, t.TempDir())
	r := open(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	r.Note(func(err error) { told <- err }, created("1", "a"))
	if err := r.Append(created("2", "a")); err == nil || r.Session("2") != nil {
		t.Errorf("%v, %+v", err, r.Session("2"))
	}
	if err := <-told; err == nil {
		t.Error("the note's caller was told that it is durable")
	}
}

func TestWatch(t *testing.T) {
	r := open(t, openDB(t, t.TempDir()))
	if err := r.Append(created("1", "a")); err != nil {
		t.Fatal(err)
	}
	done := make(chan *Session, 1)
	go func() {
		s, err := r.WaitFinished(context.Background(), "1")
		if err != nil {
			t.Error(err)
		}
		done <- s
	}()
	if err := r.Append(Event{Stream: SessionStream("1"), Type: SessionExpired, Problem: &Problem{Code: "c"}}); err != nil {
		t.Fatal(err)
	}
	if s := <-done; s.Status != StatusExpired || s.Problem.Code != "c" {
		t.Errorf("%+v", s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Append(created("2", "a")); err != nil {
		t.Fatal(err)
	}
	if s, err := r.WaitFinished(ctx, "2"); !errors.Is(err, context.Canceled) || s == nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestGapsAreRefused(t *testing.T) {
	dir := t.TempDir()
	db := openDB(t, dir)
	r := open(t, db)
	for i := range 3 {
		if err := r.Append(created(fmt.Sprint(i), "a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Update(func(txn *badger.Txn) error { return txn.Delete(logKey(2)) }); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(db, time.Now); !errors.Is(err, ErrFormat) {
		t.Errorf("error %v", err)
	}
}

func TestOtherFormatIsRefused(t *testing.T) {
	db := openDB(t, t.TempDir())
	if err := db.Update(func(txn *badger.Txn) error { return txn.Set(formatKey, []byte("3")) }); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(db, time.Now); !errors.Is(err, ErrFormat) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	r := open(b, openDB(b, b.TempDir()))
	i := 0
	for b.Loop() {
		i++
		if err := r.Append(created(fmt.Sprint(i), "a")); err != nil {
			b.Fatal(err)
		}
	}
}
