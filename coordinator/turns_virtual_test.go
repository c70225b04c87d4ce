package coordinator

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// The tests of this file run in virtual time: the times that they assert are exact.

// narrow makes a coordinator with few places, and restarts it with them.
func (c *core) narrow(sessions, queue int) {
	c.t.Helper()
	c.stop()
	cfg := c.cfg
	cfg.MaxSessions, cfg.MaxQueue = sessions, queue
	c.run(cfg)
}

// askSigns asks for signatures whose parties hold their results back.
func (c *core) askSigns(account string, n int) (ids []string) {
	c.t.Helper()
	for range n {
		ids = append(ids, c.sign(account))
	}
	return ids
}

// running returns which of the sessions have begun and not ended.
func (c *core) running(ids ...string) (list []string) {
	for _, id := range ids {
		if c.registry.Session(id).Status == registry.StatusRunning {
			list = append(list, id)
		}
	}
	return list
}

func (c *core) cancel(id string) {
	c.t.Helper()
	if err := c.engine.Cancel(context.Background(), id, registry.Meta{}); err != nil {
		c.t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // the beginning of the next one is written a little after it
}

func problemCode(err error) string {
	var p *registry.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// TestBusyAccountStarvesNobody: who asks for much waits for himself.
func TestBusyAccountStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		busy, small := c.account(2, 3), c.account(2, 3)
		c.narrow(2, 100)
		c.net.all(script{mute: true})
		first := c.askSigns(busy, 2)
		queued := c.askSigns(busy, 20)
		other := c.sign(small)
		synctest.Wait()
		if got := c.running(slices.Concat(first, queued, []string{other})...); !slices.Equal(got, first) {
			t.Fatalf("%d at work", len(got))
		}
		c.cancel(first[0])
		c.cancel(first[1])
		if got := c.running(queued...); !slices.Equal(got, queued[:1]) || len(c.running(other)) != 1 {
			t.Errorf("of the busy account %d are at work, of the other one %d", len(got), len(c.running(other)))
		}
		if s := c.registry.Session(queued[5]); s.Status != registry.StatusCreated || s.Waiting() != "" {
			t.Errorf("%s", s.Status)
		}
		c.net.all(script{})
		for _, id := range append(queued[1:], c.askSigns(small, 5)...) {
			if s, _ := c.finished(id); s.Status != registry.StatusCompleted && s.Status != registry.StatusCancelled {
				t.Errorf("%s: %+v", s.Status, s.Problem)
			}
			if len(c.running(queued[0], other)) == 2 {
				c.cancel(queued[0]) // mute for good: its deadline would take a minute
				c.cancel(other)
			}
		}
	})
}

func TestWaitingForATurnHasItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.narrow(1, 10)
		c.net.all(script{mute: true})
		first := c.sign(account)
		second := c.sign(account)
		time.Sleep(100 * time.Second)
		c.cancel(first)
		time.Sleep(100 * time.Second) // a session that does not wait has 187 s in all
		if s := c.registry.Session(second); s.Status != registry.StatusRunning {
			t.Fatalf("%s: %+v", s.Status, s.Problem)
		}
		c.net.all(script{})
		if s, _ := c.finished(second); s.Status != registry.StatusCompleted {
			t.Errorf("%s: %+v", s.Status, s.Problem)
		}
	})
}

func TestNobodyWaitsForATurnForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.narrow(1, 10)
		c.net.all(script{mute: true})
		ids := c.askSigns(account, 4) // a minute for each attempt
		s, took := c.finished(ids[3])
		if s.Status != registry.StatusExpired || s.Problem.Code != registry.CodeSessionTimeout || took != 5*time.Minute || s.Attempt != 0 {
			t.Errorf("%s after %v: %+v", s.Status, took, s.Problem)
		}
	})
}

func TestCancelWhileWaitingForATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.narrow(1, 2)
		c.net.all(script{mute: true})
		ids := c.askSigns(account, 3)
		if _, err := c.engine.Sign(engine.SignRequest{Account: account, Payload: []byte("m")}); problemCode(err) != registry.CodeTooManySessions {
			t.Errorf("a fourth one: %v", err)
		}
		c.cancel(ids[1])
		if s := c.registry.Session(ids[1]); s.Status != registry.StatusCancelled || s.Attempt != 0 {
			t.Errorf("%s", s.Status)
		}
		ids = append(ids, c.sign(account)) // there is room in the queue again
		c.cancel(ids[0])
		if len(c.running(ids[2])) != 1 {
			t.Error("the next one did not begin")
		}
		c.cancel(ids[2])
		c.cancel(ids[3])
		if working, waiting := c.engine.Queue(); working != 0 || waiting != 0 {
			t.Errorf("%d at work, %d wait", working, waiting)
		}
	})
}

// TestNobodyFillsTheQueueForOthers: there is room for who comes after an account that asks for all
// it can, and for keygens.
func TestNobodyFillsTheQueueForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		busy, small := c.account(2, 3), c.account(2, 3)
		c.narrow(1, 64)
		c.net.all(script{mute: true})
		ids := c.askSigns(busy, 1)
		for {
			id, err := c.engine.Sign(engine.SignRequest{Account: busy, Payload: []byte("m")})
			if err != nil {
				if problemCode(err) != registry.CodeTooManySessions {
					t.Error(err)
				}
				break
			}
			ids = append(ids, id)
		}
		if len(ids) < 1+16 || len(ids) > 1+32 {
			t.Errorf("%d sessions of one account were taken in", len(ids))
		}
		ids = append(ids, c.sign(small))
		made, err := c.engine.Keygen(engine.KeygenRequest{Owner: "u", Scheme: protocol.ECDSA, Threshold: protocol.Threshold{T: 2, N: 3}})
		if err != nil {
			t.Error(err)
		}
		c.net.all(script{})
		c.cancel(ids[0])
		for _, id := range append(ids[1:], made) {
			if s, _ := c.finished(id); s.Status != registry.StatusCompleted {
				t.Errorf("%s: %+v", s.Status, s.Problem)
			}
		}
	})
}

// TestRestartForgetsNoSparedAttempts: what did not count before it, does not after it.
func TestRestartForgetsNoSparedAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2")
		account := c.account(2, 2)
		c.net.all(script{refuse: protocol.CodeBusy})
		id := c.sign(account)
		time.Sleep(5 * time.Second)
		c.net.all(script{mute: true})
		time.Sleep(5 * time.Second)
		before := c.registry.Session(id)
		if before.Attempt < 5 || before.Spared != int(before.Attempt)-1 {
			t.Fatalf("attempt %d, %d do not count", before.Attempt, before.Spared)
		}
		c.net.all(script{refuse: protocol.CodeInternal})
		c.restart()
		time.Sleep(2 * time.Second)
		c.fails(before.Members[0].Peer, c.specOf(id).SID(), &protocol.Failure{Code: protocol.CodeProtocol})
		c.net.all(script{})
		if s, _ := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != before.Attempt+2 {
			t.Errorf("%s in attempt %d after %d: %+v", s.Status, s.Attempt, before.Attempt, s.Problem)
		}
	})
}

// TestApprovalsMayRunOutInTheQueue: the session says so, and blames no party.
func TestApprovalsMayRunOutInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		ann := newApprover(t)
		key, _ := c.finished(c.keygenWith(engine.KeygenRequest{Approvers: protocol.Approvers{M: 1, Keys: [][]byte{ann.spki}}}))
		busy := c.account(2, 3)
		c.narrow(1, 10)
		c.net.all(script{mute: true})
		first := c.sign(busy)
		var ids []string
		for _, life := range []time.Duration{time.Minute, 4 * time.Minute} {
			id, err := c.engine.Sign(engine.SignRequest{Account: key.Account, Payload: []byte("m"), Externals: -1})
			if err != nil {
				t.Fatal(err)
			}
			c.approve(ann, id, life)
			ids = append(ids, id)
		}
		time.Sleep(2 * time.Minute)
		c.net.all(script{})
		c.cancel(first)
		if s, _ := c.finished(ids[0]); s.Status != registry.StatusFailed || s.Problem.Code != registry.CodeInvalidApproval || s.Attempt != 0 {
			t.Errorf("with an approval of a minute: %s in attempt %d, %+v", s.Status, s.Attempt, s.Problem)
		}
		if s, _ := c.finished(ids[1]); s.Status != registry.StatusCompleted {
			t.Errorf("with an approval of four minutes: %s, %+v", s.Status, s.Problem)
		}
	})
}

// approve approves a session for so long.
func (c *core) approve(by approver, id string, life time.Duration) {
	c.t.Helper()
	claims := c.engine.Claims(id, &c.registry.Session(id).NewSession)
	claims.NotBefore, claims.Expires = time.Now().Add(-time.Minute).Unix(), time.Now().Add(life).Unix()
	token, err := protocol.SignApproval(by.key, claims)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.engine.Approve(id, []string{token}, registry.Meta{}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *core) keygenWith(req engine.KeygenRequest) string {
	c.t.Helper()
	req.Owner, req.Scheme, req.Threshold = "u", protocol.EdDSA, protocol.Threshold{T: 2, N: 3}
	id, err := c.engine.Keygen(req)
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// TestRestartInTheQueueCostsNoAttempt: who waited then has as many as others.
func TestRestartInTheQueueCostsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		account := c.account(2, 4)
		c.narrow(1, 10)
		c.net.all(script{mute: true})
		c.sign(account)
		queued := c.sign(account)
		synctest.Wait()
		c.net.all(script{blame: func(s *protocol.Spec) *protocol.Failure {
			if s.Session == queued && s.Attempt == 2 {
				return &protocol.Failure{Code: protocol.CodeInternal, Detail: "once"}
			}
			return nil
		}})
		c.restart()
		if s, _ := c.finished(queued); s.Status != registry.StatusCompleted || s.Attempt != 3 {
			t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
	})
}

// TestDrainEndsWhatNeedsTheUsersShare: it is not kept, so nobody is told that the session goes on.
func TestDrainEndsWhatNeedsTheUsersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		hybrid, _ := c.finished(c.keygenWith(engine.KeygenRequest{Custody: registry.CustodyHybrid}))
		busy := c.account(2, 3)
		c.narrow(1, 10)
		c.net.all(script{hold: true})
		c.sign(busy)
		id, err := c.engine.Sign(engine.SignRequest{Account: hybrid.Account, Payload: []byte("m"), UserShare: "share"})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		drained := make(chan struct{})
		go func() {
			c.engine.Drain(t.Context())
			close(drained)
		}()
		s, err := c.engine.Wait(t.Context(), id)
		if err != nil || s.Status != registry.StatusFailed || s.Problem.Code != registry.CodeUserShareNeeded {
			t.Errorf("%+v: %v", s, err)
		}
		c.net.all(script{})
		<-drained
	})
}

// TestDrainKeepsTheQueue: nothing is lost, and who waits is told at once.
func TestDrainKeepsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.narrow(1, 10)
		c.net.all(script{hold: true})
		ids := c.askSigns(account, 4)
		synctest.Wait()
		drained := make(chan struct{})
		go func() {
			c.engine.Drain(t.Context())
			close(drained)
		}()
		began := time.Now()
		if _, err := c.engine.Wait(t.Context(), ids[2]); problemCode(err) != registry.CodeShuttingDown || time.Since(began) != 0 {
			t.Errorf("who waits in the queue is told %v after %v", err, time.Since(began))
		}
		c.net.all(script{})
		<-drained
		if s := c.registry.Session(ids[0]); s.Status != registry.StatusCompleted {
			t.Errorf("what was at work is %s", s.Status)
		}
		if n := len(c.registry.Unfinished()); n != 3 {
			t.Errorf("%d sessions are open", n)
		}
		c.restart()
		for _, id := range ids {
			if s, _ := c.finished(id); s.Status != registry.StatusCompleted {
				t.Errorf("%s: %+v", s.Status, s.Problem)
			}
		}
	})
}

// TestPartyWithoutRoomIsNotAtFault: it is asked again, and others are.
func TestPartyWithoutRoomIsNotAtFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.all(script{refuse: protocol.CodeBusy})
		id := c.sign(account)
		time.Sleep(5 * time.Second)
		s := c.registry.Session(id)
		if s.Status != registry.StatusRunning && s.Status != registry.StatusCreated || s.Attempt < 4 || s.Attempt > 20 {
			t.Fatalf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
		c.net.all(script{})
		if s, took := c.finished(id); s.Status != registry.StatusCompleted || took > 3500*time.Millisecond {
			t.Errorf("%s after %v: %+v", s.Status, took, s.Problem)
		}
		c.net.party("p1").set(script{refuse: protocol.CodeBusy})
		for range 5 {
			c.shuffle()
			if s, took := c.finished(c.sign(account)); s.Status != registry.StatusCompleted || took > 200*time.Millisecond || s.Attempt > 2 {
				t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
			}
		}
		s, took := c.finished(c.keygen(2, 3))
		if s.Status != registry.StatusFailed || s.Problem.Code != registry.CodePartyRefused || s.Attempt != 20 || took > 3*time.Minute {
			t.Errorf("a keygen that needs p1: %s in attempt %d after %v, %+v", s.Status, s.Attempt, took, s.Problem)
		}
	})
}

// TestPartiesHaveRoomForSoManyAttempts: what comes on top waits for them.
func TestPartiesHaveRoomForSoManyAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2")
		account := c.account(2, 2)
		c.narrow(100, 100)
		c.net.all(script{hold: true})
		ids := c.askSigns(account, 70)
		time.Sleep(time.Second)
		if n := len(c.running(ids...)); n != 56 {
			t.Errorf("%d attempts at two parties", n)
		}
		c.net.all(script{})
		for _, id := range ids {
			if s, _ := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 1 {
				t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
			}
		}
	})
}

// TestSignersStayTheSame as long as they have no more to do than others.
func TestSignersStayTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4", "p5")
		account := c.account(3, 5)
		first, _ := c.finished(c.sign(account))
		for range 10 {
			s, took := c.finished(c.sign(account))
			if took != 0 {
				t.Errorf("it took %v: somebody was pinged", took)
			}
			for i := range s.Members {
				if s.Members[i].Peer != first.Members[i].Peer {
					t.Fatalf("other signers: %v, not %v", s.Members, first.Members)
				}
			}
		}
		c.net.all(script{mute: true})
		ids := c.askSigns(account, 30)
		time.Sleep(time.Second)
		load := make(map[string]int)
		for _, id := range ids {
			for _, m := range c.registry.Session(id).Members {
				load[m.Name]++
			}
		}
		for name, n := range load { // 90 places, 18 for each
			if n < 12 || n > 24 {
				t.Errorf("%s is in %d of 30 sessions", name, n)
			}
		}
	})
}
