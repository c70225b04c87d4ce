package access

import (
	"net/netip"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := newClock()
	l := NewLimiter(Rates{Reads: 4, Writes: 2}, now.time)
	for i := range 4 {
		if v := l.TakeKey(Reads, "a"); v.Retry != 0 || v.Remaining != 3-i || v.Quota != 4 || v.Window != time.Second {
			t.Fatalf("call %d: %+v", i, v)
		}
	}
	v := l.TakeKey(Reads, "a")
	if v.Retry != 250*time.Millisecond || v.Remaining != 0 || v.Reset != time.Second || v.Class != Reads {
		t.Errorf("one too many: %+v", v)
	}
	for _, free := range []Verdict{l.TakeKey(Writes, "a"), l.TakeKey(Reads, "b"), l.TakeClient(someone)} {
		if free.Retry != 0 {
			t.Errorf("another bucket is empty: %+v", free)
		}
	}
	now.pass(v.Retry)
	if v := l.TakeKey(Reads, "a"); v.Retry != 0 {
		t.Errorf("after the wait: %+v", v)
	}
}

func TestNoLimit(t *testing.T) {
	l := NewLimiter(Rates{}, nil)
	for range 10000 {
		if v := l.TakeKey(Writes, "a"); v.Retry != 0 || v.Quota != 0 {
			t.Fatalf("%+v", v)
		}
	}
}

func TestAnonymousCallersAreLimitedByAddress(t *testing.T) {
	now := newClock()
	l := NewLimiter(Rates{}, now.time)
	v6 := func(host byte) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: host})
	}
	for i := range anonymousBurst {
		if v := l.TakeClient(v6(byte(i))); v.Retry != 0 {
			t.Fatalf("call %d: %+v", i, v)
		}
	}
	if v := l.TakeClient(v6(200)); v.Retry == 0 {
		t.Error("another address of the same network has calls of its own")
	}
	for i := range 2 * maxBuckets { // memory is bounded
		l.TakeClient(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if n := l.buckets.Len(); n != maxBuckets {
		t.Errorf("%d buckets", n)
	}
}

func BenchmarkTakeKey(b *testing.B) {
	l := NewLimiter(Rates{Reads: 1 << 30, Writes: 1}, nil)
	b.ReportAllocs()
	for b.Loop() {
		l.TakeKey(Reads, "backend")
	}
}
