package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
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

// TestDroppedWhileTakenDoesNotComeBack: it was not named after all, and a party has dropped it meanwhile.
func TestDroppedWhileTakenDoesNotComeBack(t *testing.T) {
	e := newTestEngine(t)
	e.cfg.Pool = pool.New(pool.Config{Now: time.Now})
	s := e.stock
	for i, by := range []protocol.PeerID{"stranger", "a"} {
		p := &presignature{sid: protocol.SID{1}, account: "a", until: time.Now().Add(time.Hour), parties: []registry.Party{{Peer: "a"}, {Peer: "b"}}}
		s.of("a").ready, s.ready[p.sid] = []*presignature{p}, p
		s.take("a", func(*presignature) bool { return true })
		s.receive(by, p.sid, &protocol.Frame{Held: &protocol.Held{SID: p.sid}})
		s.putBack(p)
		if got := s.count("a"); got != 1-i || len(s.ready) != 1-i || len(s.taken) != 0 {
			t.Errorf("%d are there when %s has dropped it", got, by)
		}
	}
}

// TestDroppedRightAfterAllHeldIt: before it is on its shelf, and by nobody's fault.
func TestDroppedRightAfterAllHeldIt(t *testing.T) {
	e := newTestEngine(t)
	e.cfg.Pool = pool.New(pool.Config{Now: time.Now})
	s := e.stock
	for _, dropped := range []bool{false, true} {
		m := &presigning{
			presignature: &presignature{sid: protocol.SID{1}, account: "a", parties: []registry.Party{{Peer: "a"}, {Peer: "b"}}},
			spec:         &protocol.Spec{HoldUntil: time.Now().Add(time.Hour).Unix()},
			answered:     map[protocol.PeerID]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{})},
			held:         make(map[protocol.PeerID]time.Time), over: make(chan struct{}),
		}
		s.making[m.sid] = m
		for _, by := range []protocol.PeerID{"a", "b"} {
			s.receive(by, m.sid, &protocol.Frame{Held: &protocol.Held{SID: m.sid, Until: m.spec.HoldUntil}})
		}
		if dropped {
			s.drop(func(*presignature) string { return "of the case before" })
			s.receive("a", m.sid, &protocol.Frame{Held: &protocol.Held{SID: m.sid}})
		}
		s.finish(m, time.Now())
		if got := s.count("a"); (got == 0) != dropped {
			t.Errorf("dropped %v: %d are on the shelf", dropped, got)
		}
	}
	if s.pausedFor(time.Now(), pauseOfParty("a")) <= 0 || s.pausedFor(time.Now(), pauseOfParty("b")) > 0 {
		t.Errorf("pauses %+v, want one of party a, which has no room", s.pauses)
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

// TestWhoForgetsAllIsAwayForItsPresignatures: a heartbeat that comes while parties are looked at does not let what a
// party is about to forget stay on a shelf.
func TestWhoForgetsAllIsAwayForItsPresignatures(t *testing.T) {
	e, now := newTestEngine(t), time.Now()
	e.cfg.Pool = pool.New(pool.Config{Now: time.Now, Member: func(protocol.PeerID) (pool.Member, bool) { return pool.Member{Party: true}, true }})
	e.cfg.Pool.Take(&protocol.Heartbeat{Peer: "a"}) // the one that comes meanwhile
	parties := []registry.Party{{Peer: "a"}}
	if err := e.cfg.Registry.Append(
		registry.Event{Stream: registry.AccountStream("a"), Type: registry.AccountCreated, Account: &registry.NewAccount{
			Scheme: protocol.ECDSA, Threshold: protocol.Threshold{T: 1, N: 1}, Presign: &registry.Presign{Target: 1, TTL: 60},
		}},
		registry.Event{Stream: registry.AccountStream("a"), Type: registry.AccountActivated, Key: &registry.Key{Parties: parties}},
	); err != nil {
		t.Fatal(err)
	}
	for _, away := range []bool{false, true} {
		p := &presignature{sid: protocol.SID{1}, account: "a", until: now.Add(time.Hour), parties: parties, boots: map[protocol.PeerID]uint64{"a": 0}}
		s := e.stock
		s.of("a").ready, s.ready[p.sid], s.greeted["a"] = []*presignature{p}, p, true
		seen := pool.Party{Peer: "a", Seen: now}
		if away {
			seen.Seen = now.Add(-pool.Lifetime - presignAway - time.Second)
		}
		s.look([]pool.Party{seen}, now)
		if kept := s.count("a") == 1; kept == away || kept != s.greeted["a"] {
			t.Errorf("away: %v; its presignature is kept: %v, it is to forget all: %v", away, kept, !s.greeted["a"])
		}
	}
}
