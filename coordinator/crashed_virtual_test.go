package coordinator

import (
	"fmt"
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
				c.all(script{wordless: true})
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
			c.all(script{wordless: true, hold: true})
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
					c.all(script{mute: true, wordless: wordless})
					id := c.sign(account)
					if attempt == 2 {
						time.Sleep(time.Second)
						c.fails(c.net.order[0].ID(), c.specOf(id).SID(), &protocol.Failure{Code: protocol.CodeTimeout})
					}
					time.Sleep(time.Second)
					c.stop()
					c.all(script{refuses: lost(attempt)})
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
				c.all(script{hold: true, wordless: wordless})
				id := c.signsDigest(account)
				time.Sleep(time.Second)
				c.stop()
				c.all(script{hold: true, wordless: wordless, refuses: func(*protocol.Spec) protocol.Code { return code }})
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
