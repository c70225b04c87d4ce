package registry

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/meshmpc/mpcd/protocol"
)

func types(entries []AuditEntry) (all []Type) {
	for _, e := range entries {
		all = append(all, e.Type)
	}
	return all
}

func auditLog(t *testing.T, db *badger.DB) *Registry {
	t.Helper()
	r := open(t, db)
	alice := &Actor{Key: "k_1", KeyName: "alice", Client: "192.0.2.1"}
	keygen := Event{Stream: SessionStream("s1"), Type: SessionCreated, Actor: alice, Session: &NewSession{Kind: protocol.KindKeygen, Account: "a1"}}
	if err := r.Append(
		keygen,
		Event{Stream: AccountStream("a1"), Type: AccountCreated, Actor: alice, Account: &NewAccount{KeyID: "s1"}},
		Event{Stream: SessionStream("s1"), Type: PartyProgress, Round: 1},
		Event{Stream: SessionStream("s1"), Type: SessionCompleted},
		Event{Stream: AccountStream("a1"), Type: AccountActivated, Key: &Key{}},
		created("s2", "a2"),
		Event{Stream: SessionStream("s2"), Type: SessionCancelled, Actor: &Actor{Key: "k_2", KeyName: "bob"}},
		Event{Stream: AuthFailures, Type: AuthFailed, Code: "unknown_key", Count: 7, Actor: &Actor{Client: "192.0.2.1"}},
	); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAudit(t *testing.T) {
	r := auditLog(t, openDB(t, t.TempDir()))
	for _, c := range []struct {
		filter AuditFilter
		want   []Type
	}{
		{AuditFilter{}, []Type{AuthFailed, SessionCancelled, SessionCreated, AccountActivated, SessionCompleted, AccountCreated, SessionCreated}},
		{AuditFilter{Type: SessionCreated}, []Type{SessionCreated, SessionCreated}},
		{AuditFilter{Account: "a1"}, []Type{AccountActivated, SessionCompleted, AccountCreated, SessionCreated}},
		{AuditFilter{Session: "s2"}, []Type{SessionCancelled, SessionCreated}},
		{AuditFilter{Actor: "alice"}, []Type{AccountCreated, SessionCreated}},
		{AuditFilter{Actor: "k_2"}, []Type{SessionCancelled}},
		{AuditFilter{Actor: "192.0.2.1"}, []Type{AuthFailed, AccountCreated, SessionCreated}},
		{AuditFilter{Actor: "alice", Type: AuthFailed}, nil},
	} {
		entries, next, err := r.Audit(c.filter, Page{Limit: 100})
		if err != nil || next != 0 || !reflect.DeepEqual(types(entries), c.want) {
			t.Errorf("%+v: %v, next %d, %v; want %v", c.filter, types(entries), next, err, c.want)
		}
	}
	if e, _, err := r.Audit(AuditFilter{Type: AccountActivated}, Page{Limit: 1}); err != nil || e[0].AccountID != "a1" || e[0].SessionID != "s1" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestAuditPages(t *testing.T) {
	r := auditLog(t, openDB(t, t.TempDir()))
	whole, _, err := r.Audit(AuditFilter{}, Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var paged []AuditEntry
	for before := uint64(0); ; {
		entries, next, err := r.Audit(AuditFilter{}, Page{Before: before, Limit: 3})
		if err != nil || len(entries) > 3 {
			t.Fatal(len(entries), err)
		}
		paged = append(paged, entries...)
		if before = next; next == 0 {
			break
		}
	}
	if !reflect.DeepEqual(paged, whole) {
		t.Errorf("%v\n%v", types(paged), types(whole))
	}
}

// TestAuditLooksAtABoundedNumberOfEntries filters a long log for what is rare.
func TestAuditLooksAtABoundedNumberOfEntries(t *testing.T) {
	r := auditLog(t, openDB(t, t.TempDir()))
	for i := range maxAuditWalk {
		r.Note(nil, created(fmt.Sprint(i), "a"))
	}
	r.Flush()
	first, next, err := r.Audit(AuditFilter{Actor: "bob"}, Page{Limit: 10})
	if err != nil || len(first) != 0 || next == 0 {
		t.Fatalf("%d entries, next %d, %v", len(first), next, err)
	}
	second, next, err := r.Audit(AuditFilter{Actor: "bob"}, Page{Limit: 10, Before: next})
	if err != nil || len(second) != 1 || next != 0 {
		t.Errorf("%d entries, next %d, %v", len(second), next, err)
	}
}

// TestOldFormatIsBroughtUpToDate opens a log that was written without an index.
func TestOldFormatIsBroughtUpToDate(t *testing.T) {
	db := openDB(t, t.TempDir())
	want, _, err := auditLog(t, db).Audit(AuditFilter{}, Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(txn *badger.Txn) error {
		for _, e := range want {
			if err := txn.Delete(auditKey(e.Seq)); err != nil {
				return err
			}
		}
		return txn.Set(formatKey, []byte(formatOld))
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, _, err := open(t, db).Audit(AuditFilter{}, Page{Limit: 100})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", types(got), err)
		}
	}
}

func TestIdemIsRememberedForADay(t *testing.T) {
	clock := newClock()
	db := openDB(t, t.TempDir())
	r := openAt(t, db, clock)
	e := created("1", "a")
	e.Idem = &Idem{Key: "key", Body: "body", Ref: "1"}
	if err := r.Append(e); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(IdemLife - time.Second)
	for _, r := range []*Registry{r, openAt(t, db, clock)} { // live, and after a restart
		if i, ok := r.Idem("key"); !ok || i.Ref != "1" || i.Body != "body" {
			t.Errorf("%+v, %v", i, ok)
		}
	}
	clock.t = clock.t.Add(time.Second)
	for _, r := range []*Registry{r, openAt(t, db, clock)} {
		if i, ok := r.Idem("key"); ok {
			t.Errorf("after a day: %+v", i)
		}
	}
}

// TestIdemKeyIsUsedAgain uses a key a second time after its day.
func TestIdemKeyIsUsedAgain(t *testing.T) {
	clock := newClock()
	r := openAt(t, openDB(t, t.TempDir()), clock)
	for i := range 2 {
		e := created(fmt.Sprint(i), "a")
		e.Idem = &Idem{Key: "key", Ref: e.Stream}
		if err := r.Append(e); err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(IdemLife / 2)
		if i == 0 {
			clock.t = clock.t.Add(IdemLife)
		}
	}
	if _, err := r.Prune(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if i, ok := r.Idem("key"); !ok || i.Ref != SessionStream("1") {
		t.Errorf("%+v, %v", i, ok)
	}
	if len(r.view.idem.byKey) != 1 || len(r.view.idem.queue) != 1 {
		t.Errorf("%d and %d are kept", len(r.view.idem.byKey), len(r.view.idem.queue))
	}
}
