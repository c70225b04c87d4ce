package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// TestOnlyNamedPresignaturesAreUsed: what counts them never goes back, or a scrape would take it for a restart.
func TestOnlyNamedPresignaturesAreUsed(t *testing.T) {
	s := newStock(nil)
	p := &presignature{sid: protocol.SID{1}, account: "a", until: time.Now().Add(time.Hour)}
	s.of("a").ready, s.ready[p.sid] = []*presignature{p}, p
	for range 2 {
		if got := s.take("a", func(*presignature) bool { return true }); got != p || s.counts.Used != 0 {
			t.Fatalf("taken %v, counted %+v", got, s.counts)
		}
		s.putBack(p)
	}
	s.take("a", func(*presignature) bool { return true })
	s.named()
	if s.counts.Used != 1 || len(s.ready) != 0 {
		t.Errorf("counted %+v, %d are there", s.counts, len(s.ready))
	}
}

// TestPresignatureLeavesTimeForAFullAttempt before the session's deadline.
func TestPresignatureLeavesTimeForAFullAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newTestEngine(t)
		for left, want := range map[time.Duration]bool{
			presignedTimeout + fullBegins + DefaultKeygenTimeout:               true,
			presignedTimeout + fullBegins + DefaultKeygenTimeout - time.Second: false,
		} { // of a keygen, which has the same times and needs no approval
			r := e.newRunner("s", registry.NewSession{Kind: protocol.KindKeygen, Expires: time.Now().Add(left)})
			if got := r.mayFallBack(); got != want {
				t.Errorf("%v before the deadline: %v", left, got)
			}
		}
	})
}
