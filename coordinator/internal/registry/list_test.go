package registry

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// TestListAgainstASortedSlice compares a list with what it stands for.
func TestListAgainstASortedSlice(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	var l list
	model := make(map[uint64]bool)
	for range 3000 {
		seq := 1 + uint64(rnd.IntN(60))
		if model[seq] || rnd.IntN(4) == 0 {
			l = l.remove(seq)
			delete(model, seq)
		} else {
			l = l.add(entry{seq, fmt.Sprint(seq)})
			model[seq] = true
		}
		if len(l) != len(model) || !slices.IsSortedFunc(l, func(a, b entry) int { return int(a.seq) - int(b.seq) }) {
			t.Fatalf("%v is not %v", l, model)
		}
		for _, e := range l {
			if !model[e.seq] || e.id != fmt.Sprint(e.seq) {
				t.Fatalf("%v is not %v", l, model)
			}
		}
	}
}

// TestSessionsAgainstAWalk compares filtered pages with a walk over everything.
func TestSessionsAgainstAWalk(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := &history{t: t, rnd: rand.New(rand.NewPCG(seed, 3)), r: openAt(t, openDB(t, t.TempDir()), newClock())}
	for range 1500 {
		h.step()
	}
	h.r.Flush()
	var filters []SessionFilter
	for _, kind := range []protocol.Kind{"", protocol.KindKeygen, protocol.KindSign} {
		for _, status := range []Status{"", StatusCreated, StatusRunning, StatusCompleted, StatusFailed} {
			for _, account := range []string{"", h.keys[0]} {
				filters = append(filters, SessionFilter{Kind: kind, Status: status, Account: account},
					SessionFilter{Kind: kind, Status: status, Account: account, Custody: CustodyServer})
			}
		}
	}
	for _, f := range filters {
		var want, got []uint64
		for _, s := range h.r.view.sessions {
			if classOf(s).matches(f) && (f.Account == "" || s.Account == f.Account) {
				want = append(want, s.Seq)
			}
		}
		slices.SortFunc(want, func(a, b uint64) int { return int(b) - int(a) })
		limit := 1 + h.rnd.IntN(20)
		for before := uint64(0); ; {
			sessions, next := h.r.Sessions(f, Page{Before: before, Limit: limit})
			for _, s := range sessions {
				got = append(got, s.Seq)
			}
			if before = next; next == 0 {
				break
			}
			if len(sessions) != limit {
				t.Errorf("%+v: a page of %d", f, len(sessions))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", f, got, want)
		}
	}
}

// many fills a view with finished sign sessions, one in a thousand of which has
// failed; it has no disk.
func many(n int) *view {
	v := newView()
	parties := []Party{{Peer: "12D3KooWGRUL1gpPUqgBVPjhmwiBMsXfNrHdcvBuAfNYyNVGMFJD", Name: "party-1"}, {Peer: "12D3KooWGRUL1gpPUqgBVPjhmwiBMsXfNrHdcvBuAfNYyNVGMFJE", Name: "party-2"}}
	apply := func(e Event) {
		e.Seq, e.Time = v.lastSeq+1, time.Unix(int64(v.lastSeq), 0).UTC()
		v.apply(&e)
	}
	for i := range n {
		id := fmt.Sprintf("019a0000-0000-7000-8000-%012d", i)
		stream := SessionStream(id)
		e := created(id, fmt.Sprintf("019a0000-0000-7000-8000-%012d", i%1000))
		e.Session.Payload = make([]byte, 32)
		apply(e)
		sid := fmt.Sprintf("%064x", i)
		apply(Event{Stream: stream, Type: AttemptStarted, Attempt: 1, SID: sid, Start: &Start{Spec: make([]byte, 900), Parties: slices.Clone(parties)}})
		apply(Event{Stream: stream, Type: PartyAccepted, SID: sid, Party: parties[0].Peer})
		if i%1000 == 0 {
			apply(Event{Stream: stream, Type: SessionFailed, Problem: &Problem{Code: "c"}})
			continue
		}
		apply(Event{Stream: stream, Type: SessionCompleted, SID: sid, Signature: &Signature{Bytes: make([]byte, 64)}})
	}
	return v
}

// TestPagesOfManySessions is fast whatever the filter: the promise is 5 ms.
func TestPagesOfManySessions(t *testing.T) {
	const n = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := &Registry{view: many(n)}
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d bytes a session", (after.HeapAlloc-before.HeapAlloc)/n)
	account := r.view.sessions["019a0000-0000-7000-8000-000000000000"].Account
	for _, f := range []SessionFilter{
		{}, {Kind: protocol.KindSign}, {Kind: protocol.KindKeygen}, {Status: StatusRunning}, {Status: StatusFailed},
		{Kind: protocol.KindSign, Status: StatusFailed}, {Account: account}, {Account: account, Status: StatusCompleted},
	} {
		for _, at := range []uint64{0, 2 * n} {
			took := time.Hour
			for range 20 { // the machine may be busy: one quick answer shows that nothing is searched
				began := time.Now()
				r.Sessions(f, Page{Before: at, Limit: 200})
				took = min(took, time.Since(began))
			}
			if took > 5*time.Millisecond {
				t.Errorf("%+v before %d: the quickest of 20 took %v", f, at, took)
			}
		}
	}
}

func BenchmarkSessionsPage(b *testing.B) {
	r := &Registry{view: many(100_000)}
	for _, f := range []SessionFilter{{}, {Status: StatusRunning}, {Kind: protocol.KindSign, Status: StatusFailed}} {
		b.Run(fmt.Sprintf("kind=%s/status=%s", f.Kind, f.Status), func(b *testing.B) {
			for b.Loop() {
				r.Sessions(f, Page{Limit: 200})
			}
		})
	}
}
