package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// TestNothingBeginsTwice tells the beginnings of things again, before and after
// their ends.
func TestNothingBeginsTwice(t *testing.T) {
	clock := newClock()
	db := openDB(t, t.TempDir())
	r := openAt(t, db, clock)
	another := created("s", "other")
	another.Session.Owner = "v"
	session, account, hook := SessionStream("s"), AccountStream("a"), WebhookStream("w")
	for _, e := range []Event{
		created("s", "a"), another,
		{Stream: account, Type: AccountCreated, Account: &NewAccount{Owner: "u"}}, {Stream: account, Type: AccountCreated, Account: &NewAccount{Owner: "v"}},
		{Stream: hook, Type: WebhookCreated, Webhook: &Webhook{URL: "https://a"}}, {Stream: hook, Type: WebhookCreated, Webhook: &Webhook{URL: "https://b"}},
		{Stream: session, Type: AttemptStarted, SID: "1", Attempt: 1, Start: &Start{Parties: []Party{{Peer: "p"}}}},
		another,
		{Stream: session, Type: SessionFailed, Problem: &Problem{Code: "c"}},
		{Stream: session, Type: AttemptStarted, SID: "2", Attempt: 2, Start: &Start{}},
		another,
	} {
		if err := r.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	s := r.Session("s")
	if s.Owner != "u" || s.Account != "a" || s.Seq != 1 || s.Status != StatusFailed || s.SID != "1" || len(s.Members) != 1 || s.LastSeq != r.LastSeq() {
		t.Errorf("%+v", s)
	}
	if a := r.Account("a"); a.Owner != "u" || a.Seq != 3 {
		t.Errorf("%+v", a)
	}
	if list := r.Webhooks(); len(list) != 1 || list[0].URL != "https://a" {
		t.Errorf("%+v", list)
	}
	for _, account := range []string{"", "a"} {
		if list, _ := r.Sessions(SessionFilter{Account: account}, Page{Limit: 10}); len(list) != 1 || list[0] != s {
			t.Errorf("account %q: %+v", account, list)
		}
	}
	if list, _ := r.Sessions(SessionFilter{Account: "other"}, Page{Limit: 10}); len(list) != 0 || len(r.Unfinished()) != 0 || len(r.view.bySID) != 1 {
		t.Errorf("%+v, %v, %v", list, r.Unfinished(), r.view.bySID)
	}
	assertSame(t, r, openAt(t, db, clock))
}

// TestPruneOfDoubledStreams writes random histories in which streams begin, and
// go on after their ends, again and again, and prunes them in small steps.
func TestPruneOfDoubledStreams(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	clock := newClock()
	db := openDB(t, t.TempDir())
	r := openAt(t, db, clock)
	for range 40 {
		for range 30 {
			if err := r.Append(doubled(rnd)); err != nil {
				t.Fatal(err)
			}
			clock.t = clock.t.Add(time.Duration(rnd.IntN(int(3 * time.Hour))))
		}
		for range rnd.IntN(5) {
			if _, err := r.pruneSome(clock.t.Add(-testRetention), 1+rnd.IntN(8)); err != nil {
				t.Fatal(err)
			}
		}
		assertLists(t, r)
		assertSame(t, r, openAt(t, db, clock))
		assertDisk(t, r)
		if t.Failed() {
			return
		}
	}
	clock.t = clock.t.Add(2 * testRetention)
	if _, err := r.Prune(context.Background(), testRetention); err != nil {
		t.Fatal(err)
	}
	assertLists(t, r)
	assertSame(t, r, openAt(t, db, clock))
}

// doubled returns an event of one of few streams.
func doubled(rnd *rand.Rand) Event {
	id := fmt.Sprint(rnd.IntN(6))
	session, account, hook := SessionStream("s"+id), AccountStream("a"+id), WebhookStream("w"+id)
	kind := protocol.KindSign
	if id < "3" {
		kind = protocol.KindKeygen
	}
	return []Event{
		{Stream: session, Type: SessionCreated, Session: &NewSession{Kind: kind, Account: "a" + string("0012345"[rnd.IntN(2)+int(id[0]-48)]), Payload: make([]byte, 300)}},
		{Stream: session, Type: AttemptStarted, SID: fmt.Sprint("sid", id, rnd.IntN(2)), Start: &Start{}},
		{Stream: session, Type: SessionFailed, Problem: &Problem{Code: "c"}},
		{Stream: session, Type: SessionCancelled},
		{Stream: session, Type: OutcomeLate, SID: "sid" + id, Party: "p"},
		{Stream: account, Type: AccountCreated, Account: &NewAccount{Owner: "u" + fmt.Sprint(rnd.IntN(2))}},
		{Stream: account, Type: AccountFailed, Problem: &Problem{Code: "c"}},
		{Stream: hook, Type: WebhookCreated, Webhook: &Webhook{URL: "https://x"}},
		{Stream: hook, Type: WebhookDeleted},
		{Stream: "orphan/" + id, Type: OutcomeOrphaned, SID: id, Party: fmt.Sprint(rnd.Uint64())}, // an engine tells of each once
	}[rnd.IntN(10)]
}

// assertLists looks that every list holds what there is, once.
func assertLists(t *testing.T, r *Registry) {
	t.Helper()
	all, _ := r.Sessions(SessionFilter{}, Page{Limit: 1000})
	if len(all) != len(r.view.sessions) || slices.Contains(all, nil) || slices.Contains(r.Unfinished(), nil) {
		t.Errorf("%d of %d sessions: %v", len(all), len(r.view.sessions), all)
	}
	if n := len(slices.CompactFunc(slices.Clone(all), func(a, b *Session) bool { return a == b })); n != len(all) {
		t.Errorf("%d of %d sessions are listed once", n, len(all))
	}
	accounts, _ := r.Accounts("", Page{Limit: 1000})
	owned := 0
	for _, l := range r.view.byOwner {
		owned += len(l)
	}
	if len(accounts) != len(r.view.accounts) || slices.Contains(accounts, nil) || owned != len(accounts) || len(r.view.webhookIDs) != len(r.view.webhooks) {
		t.Errorf("%d of %d accounts, %d of owners; %d of %d webhooks", len(accounts), len(r.view.accounts), owned, len(r.view.webhookIDs), len(r.view.webhooks))
	}
	for scope, classes := range r.view.classes {
		for _, c := range classes {
			for _, e := range c.list {
				if s := r.view.sessions[e.id]; s == nil || s.Seq != e.seq || classOf(s) != c.class || scope != "" && s.Account != scope {
					t.Errorf("%q lists %+v as %+v: %+v", scope, e, c.class, s)
				}
			}
		}
	}
	events := 0
	for _, o := range r.view.orphans {
		events += o.events
	}
	if events != r.view.orphanage {
		t.Errorf("%d orphans are counted as %d", events, r.view.orphanage)
	}
}
