package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// A party that accepts a signing says nothing before its outcome, unless that takes long.

// TestAllSignersAreAcknowledgedAtOnce, also who delivers while the first outcome is on
// its way to the disk.
func TestAllSignersAreAcknowledgedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(3, 3)
		synctest.Wait()
		acked := func() (n int) {
			for _, p := range c.net.order {
				p.mu.Lock()
				n += p.acked
				p.mu.Unlock()
			}
			return n
		}
		c.net.all(script{wordless: true})
		before, began := acked(), time.Now()
		s, _ := c.finished(c.sign(account))
		synctest.Wait()
		if took := time.Since(began); took >= redeliver || s.Status != registry.StatusCompleted || acked() != before+3 {
			t.Errorf("%s; %d outcomes are acknowledged after %v", s.Status, acked()-before, took)
		}
	})
}

// TestWordlessSigners are not lost, nor blamed by the deadline.
func TestWordlessSigners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.all(script{wordless: true, hold: true})
		id := c.sign(account)
		time.Sleep(20 * time.Second)
		c.net.all(script{})
		if s, _ := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 1 {
			t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
	})
}

// TestAPartyThatCrashedBeforeItsWord refuses the same proposal, and is not at fault for
// that if it says that it has crashed.
func TestAPartyThatCrashedBeforeItsWord(t *testing.T) {
	for name, crashed := range map[string]bool{"crashed": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCore(t, "p1", "p2", "p3")
				account := c.account(3, 3) // nobody can be left out
				c.net.all(script{wordless: true, mute: true})
				id := c.sign(account)
				spec := c.specOf(id)
				back := c.net.party("p1")
				c.net.deliver(back.ID(), protocol.Frame{Answer: &protocol.Answer{SID: spec.SID(), Code: protocol.CodeReplay, Detail: "known"}})
				time.Sleep(100 * time.Millisecond)
				if s := c.registry.Session(id); s.Status != registry.StatusRunning || s.Attempt != 1 {
					t.Fatalf("%s in attempt %d", s.Status, s.Attempt)
				}
				c.net.all(script{})
				want := registry.StatusFailed
				if crashed {
					want = registry.StatusCompleted
					c.fails(back.ID(), spec.SID(), &protocol.Failure{Code: protocol.CodeCrashed, Detail: "its process ended"})
				}
				if s, _ := c.finished(id); s.Status != want {
					t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
				}
			})
		})
	}
}
