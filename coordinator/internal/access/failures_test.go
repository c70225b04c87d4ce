package access

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	someone = netip.MustParseAddr("192.0.2.7")
	another = netip.MustParseAddr("192.0.2.8")
)

// sink keeps what is delivered.
type sink struct {
	mu  sync.Mutex
	got []FailedAuth
}

func (s *sink) put(a FailedAuth) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, a)
}

func (s *sink) all() []FailedAuth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// run runs a count under virtual time.
func run(t *testing.T) (f *Failures, delivered *sink, stop func()) {
	delivered = &sink{}
	f = NewFailures(FailuresConfig{Sink: delivered.put})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	synctest.Wait()
	return f, delivered, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestFailuresAreAggregated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, delivered, stop := run(t)
		began := time.Now()
		for range 5 {
			f.Record(someone, UnknownKey)
			time.Sleep(time.Second)
		}
		f.Record(someone, MissingKey)
		f.Record(another, UnknownKey)
		if got := delivered.all(); len(got) != 0 {
			t.Errorf("delivered before the minute was over: %+v", got)
		}
		time.Sleep(failureWindow)
		synctest.Wait()
		got := delivered.all()
		if len(got) != 3 {
			t.Fatalf("delivered %+v", got)
		}
		first := FailedAuth{Client: "192.0.2.7", Reason: UnknownKey, Count: 5, First: began, Last: began.Add(4 * time.Second)}
		if got[0] != first {
			t.Errorf("got %+v, want %+v", got[0], first)
		}
		f.Record(another, RevokedKey)
		stop() // the window that has begun is not lost
		if got := delivered.all(); len(got) != 4 || got[3].Reason != RevokedKey {
			t.Errorf("after the end: %+v", got)
		}
	})
}

func TestBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _, stop := run(t)
		defer stop()
		time.Sleep(45 * time.Second) // into a minute
		begins := time.Now().Truncate(failureWindow)
		for i := range blockAfter {
			if wait := f.Blocked(someone); wait != 0 {
				t.Fatalf("blocked for %v after %d failures", wait, i)
			}
			f.Record(someone, guesses[i%len(guesses)])
		}
		if wait, want := f.Blocked(someone), time.Until(begins.Add(failureWindow)); wait != want || wait <= 0 {
			t.Errorf("blocked for %v, want %v", wait, want)
		}
		if f.Blocked(another) != 0 {
			t.Error("somebody else is blocked")
		}
		time.Sleep(f.Blocked(someone))
		if wait := f.Blocked(someone); wait != 0 {
			t.Errorf("still blocked for %v", wait)
		}
	})
}

func TestWhatDoesNotBlock(t *testing.T) {
	f := NewFailures(FailuresConfig{Now: newClock().time})
	for _, loopback := range []string{"127.0.0.1", "127.1.2.3", "::1"} {
		a := netip.MustParseAddr(loopback)
		for range 2 * blockAfter {
			f.Record(a, UnknownKey)
		}
		if f.Blocked(a) != 0 {
			t.Errorf("%s is blocked", loopback)
		}
	}
	for _, reason := range []string{BadAddress, WrongScope, Blocked} {
		for range 2 * blockAfter {
			f.Record(someone, reason)
		}
	}
	if f.Blocked(someone) != 0 {
		t.Error("something other than a guess blocks")
	}
}

func TestIPv6IsCountedByNetwork(t *testing.T) {
	f := NewFailures(FailuresConfig{Now: newClock().time}) // no minute ends in between
	for i := range blockAfter {
		f.Record(netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%x", i)), UnknownKey)
	}
	if f.Blocked(netip.MustParseAddr("2001:db8:0:1:ffff::1")) == 0 {
		t.Error("an address of the same network is not blocked")
	}
	if f.Blocked(netip.MustParseAddr("2001:db8:0:2::1")) != 0 {
		t.Error("an address of another network is blocked")
	}
}

func TestFailuresAreBounded(t *testing.T) {
	var got []FailedAuth
	f := NewFailures(FailuresConfig{Sink: func(a FailedAuth) { got = append(got, a) }, Now: newClock().time})
	const callers = 3 * maxFailures
	for i := range callers {
		f.Record(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), UnknownKey)
	}
	f.Record(netip.Addr{}, BadAddress) // an address that could not be read
	if len(f.counts) > maxFailures+2 || len(f.totals) > maxFailures {
		t.Errorf("%d counts, %d totals", len(f.counts), len(f.totals))
	}
	f.deliver(true)
	sum, others := 0, 0
	for _, c := range got {
		sum += c.Count
		if c.Client == Others {
			others += c.Count
		}
	}
	if sum != callers+1 || others != callers-maxFailures+1 {
		t.Errorf("%d in all, %d of others", sum, others)
	}
}

// TestSlowSink checks that what nobody takes is bounded, too.
func TestSlowSink(t *testing.T) {
	now := newClock()
	f := NewFailures(FailuresConfig{Now: now.time})
	for range 8 {
		for i := range maxFailures {
			f.Record(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), UnknownKey)
		}
		now.pass(failureWindow)
	}
	f.Blocked(someone)
	if len(f.over) != maxUndelivered {
		t.Errorf("%d counts wait for the sink", len(f.over))
	}
}
