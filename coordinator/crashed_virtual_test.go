package coordinator

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// The tests of this file are about signers that answer a proposal which they had accepted with the word that nothing is
// left of it.

// lost says so of some attempts.
func lost(attempts ...uint32) func(*protocol.Spec) protocol.Code {
	return func(s *protocol.Spec) protocol.Code {
		for _, n := range attempts {
			if s.Kind == protocol.KindSign && s.Attempt == n {
				return protocol.CodeCrashed
			}
		}
		return ""
	}
}

// answers lets a party answer the proposal of a session's attempt.
func (c *core) answers(p *party, id string, code protocol.Code) {
	c.t.Helper()
	c.net.deliver(p.ID(), protocol.Frame{Answer: &protocol.Answer{SID: c.specOf(id).SID(), Code: code, Detail: "nothing is left of it"}})
}

// TestSignersTryAgainAfterACrash: the same ones, as there are no others, and at once if all have lost it.
func TestSignersTryAgainAfterACrash(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprintf("%d of 3", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCore(t, "p1", "p2", "p3")
				account := c.account(3, 3)
				c.net.all(script{wordless: true})
				for _, p := range c.net.order[:n] {
					p.set(script{wordless: true, refuses: lost(1, 2, 3)})
				}
				s, took := c.finished(c.sign(account))
				grace := 3 * 300 * time.Millisecond
				if n == 3 {
					grace = 0
				}
				if s.Status != registry.StatusCompleted || s.Attempt != 4 || took > grace || took < grace-10*time.Millisecond { // less the time in which it was written
					t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
				}
				if len(s.Blames) > 0 {
					t.Errorf("somebody is blamed: %+v", s.Blames)
				}
			})
		})
	}
}

// TestASignerThatCrashesForEver ends the session; with others to choose from it is left out.
func TestASignerThatCrashesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		all, some := c.account(3, 3), c.account(2, 3)
		c.net.party("p1").set(script{refuses: func(s *protocol.Spec) protocol.Code { return lost(s.Attempt)(s) }})
		s, took := c.finished(c.sign(all))
		if s.Status != registry.StatusFailed || s.Problem.Code != registry.CodeCeremonyFailed || s.Attempt != 6 || took > 5*time.Second {
			t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
		}
		if p := s.Problem.Parties; len(p) != 1 || p[0].Name != "p1" || p[0].Code != protocol.CodeCrashed {
			t.Errorf("parties %+v", p)
		}
		for range 8 {
			c.shuffle()
			if s, took := c.finished(c.sign(some)); s.Status != registry.StatusCompleted || s.Attempt > 2 || took > time.Second {
				t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
			}
		}
	})
}

// TestAnOutcomeIsMoreThanACrash: who has the signature tells it in time, be it the one that seemed to have lost it.
func TestAnOutcomeIsMoreThanACrash(t *testing.T) {
	for who, name := range []string{"p1", "p2"} {
		synctest.Test(t, func(t *testing.T) {
			c := newCore(t, "p1", "p2")
			account := c.account(2, 2)
			c.net.all(script{wordless: true, hold: true})
			id := c.sign(account)
			time.Sleep(time.Second)
			c.answers(c.net.party("p1"), id, protocol.CodeCrashed)
			time.Sleep(200 * time.Millisecond)
			if s := c.registry.Session(id); s.Status != registry.StatusRunning || s.Attempt != 1 {
				t.Fatalf("%s in attempt %d", s.Status, s.Attempt)
			}
			c.net.party(name).set(script{})
			if s, took := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 1 || took > 50*time.Millisecond {
				t.Errorf("%d: %s in attempt %d after %v: %+v", who, s.Status, s.Attempt, took, s.Problem)
			}
		})
	}
}

// TestCrashWhileTheCoordinatorWasAway: signers are asked for what is left, whether they had accepted or had not said
// a word, and try again.
func TestCrashWhileTheCoordinatorWasAway(t *testing.T) {
	for _, wordless := range []bool{false, true} {
		for _, attempt := range []uint32{1, 2} {
			t.Run(fmt.Sprintf("wordless %v, attempt %d", wordless, attempt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCore(t, "p1", "p2")
					account := c.account(2, 2)
					c.net.all(script{mute: true, wordless: wordless})
					id := c.sign(account)
					if attempt == 2 {
						time.Sleep(time.Second)
						c.fails(c.net.order[0].ID(), c.specOf(id).SID(), &protocol.Failure{Code: protocol.CodeTimeout})
					}
					time.Sleep(time.Second)
					c.stop()
					c.net.all(script{refuses: lost(attempt)})
					c.run(c.cfg)
					s, took := c.finished(id)
					if s.Status != registry.StatusCompleted || s.Attempt != attempt+2 || took > time.Second {
						t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
					}
				})
			})
		}
	}
}

// TestRestartOfTheCoordinatorAlone: signers that are asked again go on, or tell what they have.
func TestRestartOfTheCoordinatorAlone(t *testing.T) {
	for _, code := range []protocol.Code{"", protocol.CodeReplay, protocol.CodeNoPresign, protocol.CodeBusy, protocol.CodeDraining} {
		for _, wordless := range []bool{false, true} {
			if wordless && (code == protocol.CodeBusy || code == protocol.CodeDraining) {
				continue // it may be what it says: others are asked
			}
			synctest.Test(t, func(t *testing.T) {
				c := newPresigner(t, 0, "p1", "p2")
				account := c.presigning(2, 1, time.Hour)
				c.wantStock(account, 1, 10*time.Second)
				c.net.all(script{hold: true, wordless: wordless})
				id := c.signsDigest(account)
				time.Sleep(time.Second)
				c.stop()
				c.net.all(script{hold: true, wordless: wordless, refuses: func(*protocol.Spec) protocol.Code { return code }})
				c.run(c.cfg)
				time.Sleep(200 * time.Millisecond)
				c.net.party("p2").set(script{})
				if s, _ := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 1 || !s.Presigned {
					t.Errorf("%q, wordless %v: %s in attempt %d: %+v", code, wordless, s.Status, s.Attempt, s.Problem)
				}
			})
		}
	}
}

// TestWhoIsNotConnectedYetMayHaveTheSignature: after a restart of the coordinator, no other attempt is made as long
// as a signer may just not be there, although another one has nothing left.
func TestWhoIsNotConnectedYetMayHaveTheSignature(t *testing.T) {
	for _, code := range []protocol.Code{protocol.CodeCrashed, protocol.CodeNoPresign, protocol.CodeReplay} {
		synctest.Test(t, func(t *testing.T) {
			c := newPresigner(t, 0, "p1", "p2")
			account := c.presigning(2, 1, time.Hour)
			c.wantStock(account, 1, 10*time.Second)
			c.net.all(script{hold: true})
			id := c.signsDigest(account)
			time.Sleep(time.Second)
			c.stop()
			c.net.party("p1").set(script{hold: true, refuses: func(*protocol.Spec) protocol.Code { return code }})
			c.net.party("p2").set(script{dead: true})
			c.run(c.cfg)
			time.Sleep(9 * time.Second)
			if s := c.registry.Session(id); s.Status != registry.StatusRunning || s.Attempt != 1 {
				t.Fatalf("%s: %s in attempt %d", code, s.Status, s.Attempt)
			}
			c.net.party("p2").set(script{})
			if s, took := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 1 || took > 100*time.Millisecond {
				t.Errorf("%s: %s in attempt %d after %v: %+v", code, s.Status, s.Attempt, took, s.Problem)
			}
		})
	}
}

// TestNobodyIsWaitedForWhoHasSpoken: a signer that is back and has no result tells none in the next moment; one that
// does not come back within ten seconds is not waited for.
func TestNobodyIsWaitedForWhoHasSpoken(t *testing.T) {
	for back, want := range map[time.Duration]time.Duration{0: 300 * time.Millisecond, 4 * time.Second: 4300 * time.Millisecond, time.Minute: 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := newCore(t, "p1", "p2", "p3")
			account := c.account(3, 3)
			c.net.all(script{mute: true})
			id := c.sign(account)
			time.Sleep(time.Second)
			c.stop()
			c.net.party("p1").set(script{mute: true, refuses: lost(1)})
			if back > 0 {
				c.net.party("p2").set(script{dead: true})
			}
			began := time.Now()
			c.run(c.cfg)
			time.Sleep(back)
			if back < time.Minute {
				c.net.party("p2").set(script{mute: true})
			}
			for ; ; time.Sleep(10 * time.Millisecond) {
				if ended := c.endedAt(id, 1); !ended.IsZero() {
					if took := ended.Sub(began); took < want || took > want+600*time.Millisecond { // it is asked twice a second
						t.Errorf("back after %v: the attempt ended after %v, not %v", back, took, want)
					}
					return
				}
			}
		})
	}
}

// endedAt returns when an attempt of a session failed, zero if it has not.
func (c *core) endedAt(id string, attempt uint32) time.Time {
	c.t.Helper()
	events, err := c.registry.Events(registry.SessionStream(id), 0, 1000)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range events {
		if e.Type == registry.AttemptFailed && e.Attempt == attempt {
			return e.Time
		}
	}
	return time.Time{}
}

// TestWhoCannotAnswerNowIsAskedAgain: it had accepted, so that this says nothing of what became of that.
func TestWhoCannotAnswerNowIsAskedAgain(t *testing.T) {
	for _, first := range []protocol.Code{protocol.CodeBusy, protocol.CodeDraining, protocol.CodeStorage} {
		synctest.Test(t, func(t *testing.T) {
			c := newCore(t, "p1", "p2")
			account := c.account(2, 2)
			c.net.all(script{mute: true})
			id := c.sign(account)
			time.Sleep(time.Second)
			c.stop()
			for _, p := range c.net.order {
				var asked atomic.Int32
				p.set(script{refuses: func(s *protocol.Spec) protocol.Code {
					if s.Kind == protocol.KindSign && s.Attempt == 1 && asked.Add(1) <= 3 {
						return first
					}
					return lost(1)(s)
				}})
			}
			c.run(c.cfg)
			if s, took := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 3 || took > 3*time.Second {
				t.Errorf("%s, then party_crashed: %s in attempt %d after %v: %+v", first, s.Status, s.Attempt, took, s.Problem)
			}
		})
	}
}

// TestACrashExcusesNobodyElse: who has a broken disk is left out, also when another one that seemed to refuse has crashed.
func TestACrashExcusesNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		account := c.account(3, 4)
		c.net.all(script{wordless: true, hold: true})
		id := c.sign(account)
		time.Sleep(time.Second)
		first := c.specOf(id)
		peers := first.Peers()
		c.answers(c.net.at(peers[0]), id, protocol.CodeReplay)
		time.Sleep(20 * time.Millisecond)
		c.fails(peers[1], first.SID(), &protocol.Failure{Code: protocol.CodeStorage, Detail: "disk broken"})
		time.Sleep(20 * time.Millisecond)
		c.answers(c.net.at(peers[0]), id, protocol.CodeCrashed)
		time.Sleep(time.Second)
		if next := c.specOf(id); next.Attempt != 2 || slices.Contains(next.Peers(), peers[1]) || !slices.Contains(next.Peers(), peers[0]) {
			t.Errorf("attempt %d is made by %v, not without %s", next.Attempt, next.Peers(), peers[1])
		}
		c.net.all(script{})
		if s, _ := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 2 {
			t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
	})
}
