package coordinator

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// The tests of this file are about presignatures that somebody has lost.

func TestLostPresignatureIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 3, time.Hour)
		c.wantStock(account, 3, 10*time.Second)
		for _, p := range c.net.order {
			if p.holds() > 0 {
				p.forget(nil) // and nobody knows
				break
			}
		}
		s, took := c.signs(account)
		if s.Presigned || s.Attempt != 2 || s.Fallbacks != 1 || took > 50*time.Millisecond || len(s.Blames) > 0 {
			t.Errorf("attempt %d after %v: %+v", s.Attempt, took, s)
		}
		synctest.Wait()
		if n := len(c.net.heldBy()); n != 0 || c.stock(account) != 0 {
			t.Errorf("%d presignatures are left of a set that has lost some, the coordinator has %d", n, c.stock(account))
		}
		if n := c.engine.Presignatures(); n.Used != 1 || n.Missed != 1 || n.Expired != 2 {
			t.Errorf("counted %+v", n)
		}
		c.wantStock(account, 3, 10*time.Second)
		if s, _ := c.signs(account); !s.Presigned || s.Attempt != 1 {
			t.Error("nobody was to blame, and the same parties presign again")
		}
	})
}

func TestFallbacksDoNotCountAsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 1, time.Hour)
		c.wantStock(account, 1, 10*time.Second)
		c.net.all(script{fail: &protocol.Failure{Code: protocol.CodeProtocol, Detail: "scripted"}})
		digest := make([]byte, protocol.DigestSize)
		digest[0] = 1
		id, err := c.engine.Sign(engine.SignRequest{Account: account, Payload: digest})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := c.finished(id)
		if s.Status != registry.StatusFailed || s.Attempt < 3 || s.Fallbacks != 1 {
			t.Errorf("%v in attempt %d with %d fallbacks: %+v; two full attempts are owed", s.Status, s.Attempt, s.Fallbacks, s.Problem)
		}
	})
}

func TestHungPresignedAttemptFallsBackSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 1, time.Hour)
		c.wantStock(account, 1, 10*time.Second)
		c.net.all(script{mute: true})
		go func() {
			time.Sleep(5 * time.Second)
			c.net.all(script{})
		}()
		s, took := c.signs(account)
		if s.Attempt != 2 || took > 17*time.Second {
			t.Errorf("attempt %d after %v", s.Attempt, took)
		}
	})
}

func TestRestartedCoordinatorKnowsNoPresignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 3, time.Hour)
		c.wantStock(account, 3, 10*time.Second)
		old := c.net.heldBy()
		c.restart()
		if n := c.stock(account); n != 0 {
			t.Errorf("%d presignatures at once after a restart", n)
		}
		c.wantStock(account, 3, 10*time.Second)
		for sid := range c.net.heldBy() {
			if old[sid] {
				t.Error("a presignature of the earlier process is still held")
			}
		}
		for _, p := range c.net.order {
			if p.presigned.forgot != 2 { // at each start of the coordinator
				t.Errorf("%s was told %d times to forget", p.name, p.presigned.forgot)
			}
		}
		// Of an earlier process, or too late: nobody will use it.
		p, sid := c.net.party("p1"), protocol.SID{7}
		c.net.deliver(p.ID(), protocol.Frame{Held: &protocol.Held{SID: sid, Until: time.Now().Add(time.Hour).Unix()}})
		synctest.Wait()
		if n := c.net.count(func(f *protocol.Frame) bool { return f.Cancel != nil && f.Cancel.SID == sid }); n != 1 {
			t.Errorf("%d cancels of an unknown presignature", n)
		}
	})
}

func TestRestartedPartyHasNoPresignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 2, time.Hour)
		c.wantStock(account, 2, 10*time.Second)
		old := c.net.heldBy()
		c.net.party("p2").reboot()
		c.wantStock(account, 2, 10*time.Second)
		for sid := range c.net.heldBy() {
			if old[sid] {
				t.Error("the other party still holds one whose half is lost")
			}
		}
		if s, _ := c.signs(account); !s.Presigned || s.Attempt != 1 {
			t.Errorf("attempt %d, presigned: %v", s.Attempt, s.Presigned)
		}
	})
}

func TestPartyThatIsAwayIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 2, time.Hour)
		c.wantStock(account, 2, 10*time.Second)
		i := slices.IndexFunc(c.net.order, func(p *party) bool { return p.holds() > 0 })
		gone := c.net.order[i]
		gone.set(script{dead: true})
		time.Sleep(5 * time.Second)
		if s, _ := c.signs(account); s.Presigned || s.Attempt != 1 { // it is not fresh
			t.Errorf("attempt %d with one who is away", s.Attempt)
		}
		if c.stock(account) != 2 {
			t.Error("it may come back, and is given half a minute")
		}
		time.Sleep(45 * time.Second)
		if c.stock(account) != 2 {
			t.Errorf("%d presignatures", c.stock(account))
		}
		gone.reboot()
		if s, _ := c.signs(account); !s.Presigned || slices.ContainsFunc(s.Members, func(m registry.Member) bool { return m.Peer == gone.ID() }) {
			t.Errorf("attempt %d, presigned: %v", s.Attempt, s.Presigned)
		}
	})
}

func TestPartialPresignaturesAreCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 0, 0)
		c.setPresign(account, &registry.Presign{Target: 1, TTL: 3600})
		half := c.net.party("p1")
		c.net.party("p2").set(script{noHold: true})
		time.Sleep(10 * time.Second)
		c.net.mu.Lock()
		spec := c.net.sent[slices.IndexFunc(c.net.sent, func(f protocol.Frame) bool { return f.Propose != nil && f.Propose.Spec.Kind == protocol.KindPresign })].Propose.Spec
		c.net.mu.Unlock()
		half.hold(&spec)
		if half.holds() != 1 || c.stock(account) != 0 {
			t.Fatalf("p1 holds %d, the coordinator has %d", half.holds(), c.stock(account))
		}
		c.net.party("p2").set(script{presign: protocol.CodeDraining})
		time.Sleep(time.Minute)
		if half.holds() != 0 {
			t.Error("half of a presignature is held")
		}
	})
}

// TestResumedSigningNamesThePresignatureItNamed: the coordinator dies before a signing that
// names a presignature has reached anybody. Its parties may have lost it meanwhile.
func TestResumedSigningNamesThePresignatureItNamed(t *testing.T) {
	for _, lost := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newPresigner(t, 0, "p1", "p2", "p3")
			account := c.presigning(3, 2, time.Hour)
			c.wantStock(account, 2, 10*time.Second)
			c.net.mu.Lock()
			c.net.drop = 2
			c.net.mu.Unlock()
			digest := make([]byte, protocol.DigestSize)
			digest[0] = 1
			id, err := c.engine.Sign(engine.SignRequest{Account: account, Payload: digest})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			if s := c.registry.Session(id); !s.Presigned || s.Status != registry.StatusRunning {
				t.Fatalf("%v, presigned: %v", s.Status, s.Presigned)
			}
			if lost {
				for _, p := range c.net.order {
					p.reboot()
				}
			}
			c.restart()
			s, _ := c.finished(id)
			full := s.Attempt == 3 && s.Fallbacks == 1 && !s.Presigned
			warm := s.Attempt == 1 && s.Presigned // the proposal was there before the order to forget
			if s.Status != registry.StatusCompleted || !full && (lost || !warm) {
				t.Errorf("lost: %v; %v in attempt %d, presigned: %v, %d fallbacks: %+v", lost, s.Status, s.Attempt, s.Presigned, s.Fallbacks, s.Problem)
			}
			c.wantStock(account, 2, 10*time.Second) // others than those of before
			if n := len(c.net.named); n != 1 {
				t.Errorf("%d presignatures were named", n)
			}
		})
	}
}

// TestPartyThatComesBackForgets: what it held was dropped while it could not be told.
func TestPartyThatComesBackForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 2, time.Hour)
		c.wantStock(account, 2, 10*time.Second)
		p2 := c.net.party("p2")
		p2.set(script{dead: true})
		time.Sleep(40 * time.Second)
		if c.stock(account) != 0 || c.net.party("p1").holds() != 0 || p2.holds() != 2 {
			t.Fatalf("the coordinator has %d, p1 holds %d, p2 %d", c.stock(account), c.net.party("p1").holds(), p2.holds())
		}
		p2.set(script{})
		c.wantStock(account, 2, 10*time.Second)
	})
}

func TestPartyThatIsLostWhileItSignsIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 1, time.Hour)
		c.wantStock(account, 1, 10*time.Second)
		i := slices.IndexFunc(c.net.order, func(p *party) bool { return p.holds() > 0 })
		lost := c.net.order[i]
		lost.set(script{dieInRounds: true})
		s, took := c.signs(account)
		if s.Presigned || s.Attempt != 2 || took > 3*time.Second {
			t.Errorf("attempt %d after %v, presigned: %v", s.Attempt, took, s.Presigned)
		}
		if slices.ContainsFunc(s.Members, func(m registry.Member) bool { return m.Peer == lost.ID() }) {
			t.Error("the party that was lost signs")
		}
	})
}

// TestHeldTooShortIsOfNoUse: a party that says so does not make the others work without end.
func TestHeldTooShortIsOfNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		c.net.party("p2").set(script{holdsFor: time.Second})
		account := c.presigning(2, 1, time.Hour)
		time.Sleep(time.Minute)
		if n := c.net.presignings(); c.stock(account) != 0 || n > 9 {
			t.Errorf("%d presignatures after %d presignings in a minute", c.stock(account), n)
		}
		if n := c.net.party("p1").holds(); n != 0 {
			t.Errorf("p1 still holds %d", n)
		}
	})
}

// TestDroppedForWantOfRoomIsNoFault: a party that says what it has dropped to make room for other coordinators is asked again soon,
// and what else it holds is used.
func TestDroppedForWantOfRoomIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(2, 3, time.Hour)
		c.wantStock(account, 3, 10*time.Second)
		with, idle := c.holders()
		drop := func(sid protocol.SID) {
			with[0].forget(&sid)
			c.net.deliver(with[0].ID(), protocol.Frame{Held: &protocol.Held{SID: sid}})
		}
		anyone := func() protocol.SID {
			for sid := range c.net.heldBy() {
				return sid
			}
			t.Fatal("nothing is held")
			return protocol.SID{}
		}
		c.net.deliver(idle.ID(), protocol.Frame{Held: &protocol.Held{SID: anyone()}}) // it holds none of them
		c.wantStock(account, 3, 0)
		drop(anyone())
		c.wantStock(account, 2, 0) // the other party was told
		if s, _ := c.signs(account); !s.Presigned || s.Attempt != 1 {
			t.Errorf("attempt %d, presigned: %v, though the others are there", s.Attempt, s.Presigned)
		}
		c.wantStock(account, 3, 3*time.Second)
		with[0].set(script{refuses: func(s *protocol.Spec) protocol.Code { // one that it drops while a signing comes to use it
			if len(s.Presign) == 0 {
				return ""
			}
			drop(protocol.SID(s.Presign))
			return protocol.CodeNoPresign
		}})
		if s, _ := c.signs(account); s.Presigned || s.Fallbacks != 1 || len(s.Blames) > 0 {
			t.Errorf("presigned: %v, %d fallbacks: %+v", s.Presigned, s.Fallbacks, s)
		}
		with[0].set(script{})
		c.wantStock(account, 2, 0)
		c.wantStock(account, 3, 3*time.Second)
		if n := c.engine.Presignatures(); n.Used != 2 || n.Missed != 1 || n.Expired != 1 {
			t.Errorf("counted %+v", n)
		}
	})
}

// TestPartyThatDropsAllRests: the others would make presignatures for nothing.
func TestPartyThatDropsAllRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 1, time.Hour)
		for range 240 {
			time.Sleep(250 * time.Millisecond)
			for sid := range c.net.heldBy() {
				c.net.deliver(c.net.party("p2").ID(), protocol.Frame{Held: &protocol.Held{SID: sid}})
			}
		}
		if n := c.net.presignings(); c.stock(account) > 0 || n < 4 || n > 9 {
			t.Errorf("%d presignings in a minute, %d presignatures", n, c.stock(account))
		}
	})
}
