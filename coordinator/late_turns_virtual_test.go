package coordinator

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// The tests of this file are about turns that would come late. They run in virtual time.

// TestWhatComesTooLateIsNotTakenIn: when turns come too slowly, a session for which there would be a place in
// the queue is refused, with the time to stay away; but not one of an account that waits for little.
func TestWhatComesTooLateIsNotTakenIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		busy, small := c.account(2, 3), c.account(2, 3)
		c.narrow(1, 100)
		c.net.all(script{mute: true})
		ids := c.askSigns(busy, 21) // nobody can tell yet
		for _, id := range ids[:4] {
			time.Sleep(20 * time.Second)
			c.cancel(id)
		}
		_, err := c.engine.Sign(engine.SignRequest{Account: busy, Payload: []byte("m")})
		var p *registry.Problem
		if !errors.As(err, &p) || p.Code != registry.CodeTooManySessions || p.Retry != time.Minute {
			t.Fatalf("the 17th of an account, when 12 have their turns in 4 minutes: %+v", err)
		}
		ids = append(ids, c.askSigns(small, 5)...) // every other turn is his
		if _, err := c.engine.Sign(engine.SignRequest{Account: small, Payload: []byte("m")}); problemCode(err) != registry.CodeTooManySessions {
			t.Errorf("the 6th of another: %v", err)
		}
		for _, id := range ids[21:] { // each has its turn in time
			for len(c.running(id)) == 0 {
				time.Sleep(10 * time.Second)
				if s := c.registry.Session(id); s.Status.Finished() {
					t.Fatalf("%s: %+v", s.Status, s.Problem)
				}
				for _, at := range c.running(ids...) {
					time.Sleep(9980 * time.Millisecond)
					c.cancel(at)
				}
			}
		}
	})
}

// TestWhoHasWaitedForPeopleLeavesTheQueueToOthers: there may be more of them than there are places in it.
func TestWhoHasWaitedForPeopleLeavesTheQueueToOthers(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCore(t, "p1", "p2", "p3")
			ann := newApprover(t)
			key, _ := c.finished(c.keygenWith(engine.KeygenRequest{Approvers: protocol.Approvers{M: 1, Keys: [][]byte{ann.spki}}}))
			other := c.account(2, 3)
			c.narrow(1, 20)
			c.net.all(script{mute: true})
			var ids []string
			for range 30 {
				id, err := c.engine.Sign(engine.SignRequest{Account: key.Account, Payload: []byte("m"), Externals: -1})
				if err != nil {
					t.Fatal(err)
				}
				c.approve(ann, id, 12*time.Hour)
				synctest.Wait()
				ids = append(ids, id)
			}
			if restarts {
				c.restart()
			}
			time.Sleep(time.Second)
			mine := c.askSigns(other, 2)
			if _, waiting := c.engine.Queue(); waiting < 30 { // after a restart two are at work: one was, and one came first
				t.Fatalf("%d wait", waiting)
			}
			for range 2 {
				for _, id := range c.running(ids...) {
					c.cancel(id)
				}
			}
			if len(c.running(mine[0])) != 1 {
				t.Error("another's first session is not at work after two turns")
			}
		})
	}
}

// TestWhoHasWaitedForPeopleWaitsForItsTurn, for longer than others, also after a restart, and as
// long as approvals are good: it was taken in before, and people have done their part.
func TestWhoHasWaitedForPeopleWaitsForItsTurn(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCore(t, "p1", "p2", "p3")
			ann := newApprover(t)
			key, _ := c.finished(c.keygenWith(engine.KeygenRequest{Approvers: protocol.Approvers{M: 1, Keys: [][]byte{ann.spki}}}))
			busy := c.account(2, 3)
			c.narrow(1, 100)
			c.net.all(script{mute: true})
			c.sign(busy)
			sign := func(life time.Duration) string {
				id, err := c.engine.Sign(engine.SignRequest{Account: key.Account, Payload: []byte("m"), Externals: -1})
				if err != nil {
					t.Fatal(err)
				}
				c.approve(ann, id, life)
				synctest.Wait() // it has joined the queue before the next one, and a restart knows it
				return id
			}
			ids := []string{sign(time.Hour), sign(time.Hour), sign(time.Hour), sign(time.Hour)} // each takes 187 s at most
			short := sign(8 * time.Minute)
			if restarts {
				c.restart()
			}
			began := time.Now()
			if s, took := c.finished(short); s.Status != registry.StatusFailed || s.Problem.Code != registry.CodeInvalidApproval || s.Attempt != 0 || took < 8*time.Minute || took > 9*time.Minute {
				t.Errorf("with an approval of 8 minutes: %s in attempt %d after %v, %+v", s.Status, s.Attempt, took, s.Problem)
			}
			c.net.all(script{})
			if s, _ := c.finished(ids[3]); s.Status != registry.StatusCompleted || time.Since(began) < engine.TurnTimeout+time.Minute {
				t.Errorf("%s after %v: %+v", s.Status, time.Since(began), s.Problem)
			}
		})
	}
}
