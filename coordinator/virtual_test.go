package coordinator

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// core is a coordinator without HTTP, for virtual time.
type core struct {
	*Coordinator
	t    *testing.T
	net  *fakeNet
	stop func()
}

func newCore(t *testing.T, names ...string) *core {
	t.Helper()
	_, approver, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &core{t: t, net: newFakeNet(t, names...)}
	c.run(Config{Dir: t.TempDir(), Network: testNetwork, Edge: Edge{APIKey: testKey}, Approver: approver})
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *core) run(cfg Config) {
	c.t.Helper()
	var err error
	cfg.Listen = []string{"unused"}
	if err := cfg.Validate(); err != nil {
		c.t.Fatal(err)
	}
	c.Coordinator = &Coordinator{cfg: cfg, net: c.net}
	c.stopping, c.stopWait = context.WithCancel(context.Background())
	if c.db, err = openTestDB(cfg.Dir); err != nil {
		c.t.Fatal(err)
	}
	if err := c.build(); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	c.engine.Resume()
	if err := c.net.Dispatch(c.engine.Receive); err != nil {
		c.t.Fatal(err)
	}
	go func() { ended <- c.engine.Run(ctx) }()
	go func() { ended <- c.net.Heartbeats(ctx, func(h *protocol.Heartbeat) { c.pool.Take(h) }) }()
	synctest.Wait() // the first heartbeats are in
	stopped := false
	c.stop = func() {
		if stopped {
			return
		}
		stopped = true
		c.net.unplug()
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				c.t.Error(err)
			}
		}
		if err := c.Close(); err != nil {
			c.t.Error(err)
		}
	}
}

func (c *core) restart() {
	c.t.Helper()
	c.stop()
	c.run(c.cfg)
}

// finished waits for the end of a session and returns it with the time that took.
func (c *core) finished(id string) (*registry.Session, time.Duration) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	began := time.Now()
	s, err := c.registry.WaitFinished(ctx, id)
	if err != nil || s == nil {
		c.t.Fatalf("session %s never ended: %+v, %v", id, s, err)
	}
	return s, time.Since(began)
}

func (c *core) keygen(t, n int) string {
	c.t.Helper()
	id, err := c.engine.Keygen(engine.KeygenRequest{Owner: "u", Scheme: protocol.EdDSA, Threshold: protocol.Threshold{T: t, N: n}})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// account makes an active account and returns its id.
func (c *core) account(t, n int) string {
	c.t.Helper()
	s, _ := c.finished(c.keygen(t, n))
	if s.Status != registry.StatusCompleted {
		c.t.Fatalf("keygen: %+v", s.Problem)
	}
	return s.Account
}

func (c *core) sign(account string) string {
	c.t.Helper()
	id, err := c.engine.Sign(engine.SignRequest{Account: account, Payload: []byte("m")})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// The tests of this file run in virtual time: the times that they assert are exact.

func TestLostProposalsAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.mu.Lock()
		c.net.drop = 3
		c.net.mu.Unlock()
		s, took := c.finished(c.sign(account))
		if s.Status != registry.StatusCompleted || s.Attempt != 1 || took > 2*time.Second {
			t.Errorf("%v after %v: %+v", s.Status, took, s.Problem)
		}
	})
}

func TestOneDeadPartyIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.party("p2").set(script{dead: true})
		s, took := c.finished(c.sign(account))
		if s.Status != registry.StatusCompleted || took > time.Second {
			t.Errorf("%v after %v: %+v", s.Status, took, s.Problem)
		}
	})
}

func TestTooFewPartiesIsToldWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.party("p2").set(script{dead: true})
		c.net.party("p3").set(script{dead: true})
		s, took := c.finished(c.sign(account))
		if s.Status != registry.StatusFailed || s.Problem.Code != registry.CodeTooFewParties || len(s.Problem.Parties) != 2 || took > 2*time.Second {
			t.Errorf("%v after %v: %+v", s.Status, took, s.Problem)
		}
	})
}

func TestDeadPartyIsFoundWithinFourPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.party("p3").set(script{dead: true})
		time.Sleep(2 * time.Second) // so long that it is not asked
		c.net.party("p2").set(script{dieInRounds: true})
		id := c.sign(account)
		time.Sleep(time.Second)
		c.net.party("p3").set(script{})
		s, took := c.finished(id)
		if s.Status != registry.StatusCompleted || s.Attempt != 2 || took > 3*time.Second {
			t.Errorf("%v in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
		}
	})
}

func TestResumedSessionWithoutPartiesFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.all(script{mute: true})
		id := c.sign(account)
		time.Sleep(time.Second)
		c.net.all(script{dead: true})
		c.restart()
		s, took := c.finished(id)
		if s.Status != registry.StatusFailed || s.Problem.Code != registry.CodeTooFewParties {
			t.Errorf("%v: %+v", s.Status, s.Problem)
		}
		if took < 10*time.Second || took > time.Minute {
			t.Errorf("it took %v: parties get 10 s to come back after a restart", took)
		}
	})
}

func TestResumedSessionExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2")
		account := c.account(2, 2)
		c.net.all(script{mute: true})
		id := c.sign(account)
		time.Sleep(time.Second)
		c.stop()
		time.Sleep(time.Hour) // nothing happens meanwhile; then parties get a minute to deliver
		c.run(c.cfg)
		s, took := c.finished(id)
		if s.Status != registry.StatusExpired || took < 59*time.Second || took > 3*time.Minute {
			t.Errorf("%v after %v: %+v", s.Status, took, s.Problem)
		}
	})
}

func TestSessionWithoutAnAttemptIsRunAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.registry.Account(c.account(2, 3))
		err := c.registry.Append(registry.Event{Stream: registry.SessionStream("s"), Type: registry.SessionCreated, Session: &registry.NewSession{
			Kind: protocol.KindSign, Account: account.ID, Owner: account.Owner, KeyID: account.KeyID, Scheme: account.Scheme,
			Threshold: account.Threshold, Payload: []byte("m"), Expires: time.Now().Add(time.Minute).UTC(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		c.net.onProposal(func(s *protocol.Spec) {
			if c.registry.Session("s").Attempt != s.Attempt {
				t.Error("it is proposed before it is on record: after another crash it would be once more")
			}
		})
		c.restart()
		s, _ := c.finished("s")
		if s.Status != registry.StatusCompleted || s.Attempt != 2 { // the first may have been proposed
			t.Errorf("%v in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
	})
}

// TestNoAttemptBeforeTheLastOneIsOnRecord: after a crash no more than one number may have been used that
// the log does not know. Attempts that fail at once come one after the other faster than they are written.
func TestNoAttemptBeforeTheLastOneIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		account := c.account(2, 4)
		last := make(map[string]uint32) // highest number by session
		c.net.onProposal(func(s *protocol.Spec) {
			c.net.mu.Lock()
			defer c.net.mu.Unlock()
			last[s.Session] = max(last[s.Session], s.Attempt)
			on := uint32(0)
			if known := c.registry.Session(s.Session); known != nil {
				on = known.Attempt
			}
			if on+1 < s.Attempt {
				t.Errorf("attempt %d is proposed, and the log ends with attempt %d", s.Attempt, on)
			}
		})
		for _, p := range c.net.order[:3] {
			p.set(script{refuse: protocol.CodeStorage})
		}
		id, err := c.engine.Sign(engine.SignRequest{Account: account, Payload: []byte("m"), RequestID: uuid.NewString()}) // so no attempt begins with the session
		if err != nil {
			t.Fatal(err)
		}
		s, _ := c.finished(id)
		c.net.mu.Lock() // a proposal may be on its way once more
		defer c.net.mu.Unlock()
		if s.Status != registry.StatusFailed || last[id] < 2 {
			t.Errorf("%s in attempt %d, proposed were %d: %+v", s.Status, s.Attempt, last[id], s.Problem)
		}
	})
}

func TestPartyThatIsLostAfterTheCertificateMayComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		c.net.party("p3").set(script{hold: true})
		id := c.keygen(2, 3)
		time.Sleep(time.Second)
		c.net.party("p3").set(script{dead: true})
		time.Sleep(30 * time.Second)
		s := c.registry.Session(id)
		if s.Status != registry.StatusRunning || s.Attempt != 1 {
			t.Fatalf("%v in attempt %d", s.Status, s.Attempt)
		}
		c.net.party("p3").set(script{})
		if s, _ = c.finished(id); s.Status != registry.StatusCompleted {
			t.Errorf("%v: %+v", s.Status, s.Problem)
		}
	})
}

func TestEverySessionHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		c.net.all(script{mute: true})
		s, took := c.finished(c.keygen(2, 3))
		if s.Status != registry.StatusExpired || took > 5*time.Minute {
			t.Errorf("%v after %v: %+v", s.Status, took, s.Problem)
		}
		used := make(map[string]bool)
		events, err := c.registry.Events(registry.SessionStream(s.ID), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			if events[i].Start != nil {
				for _, p := range events[i].Start.Parties {
					used[p.Name] = true
				}
			}
		}
		if s.Attempt != 2 || len(used) != 4 {
			t.Errorf("%d attempts with %v: the second one should try another subset", s.Attempt, used)
		}
	})
}

func TestPartyThatAcceptsTooLateIsToldToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2")
		sid := protocol.SID{1}
		c.net.deliver(c.net.party("p1").ID(), protocol.Frame{Answer: &protocol.Answer{SID: sid}})
		synctest.Wait()
		if n := c.net.count(func(f *protocol.Frame) bool { return f.Cancel != nil && f.Cancel.SID == sid }); n != 1 {
			t.Errorf("%d cancels", n)
		}
	})
}

func TestFramesOfStrangersAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 2+1)
		c.net.all(script{hold: true})
		id := c.sign(account)
		time.Sleep(time.Second)
		s := c.registry.Session(id)
		outsider := slices.IndexFunc(c.net.order, func(p *party) bool {
			return !slices.ContainsFunc(s.Members, func(m registry.Member) bool { return m.Peer == p.ID() })
		})
		c.net.mu.Lock()
		joined := maps.Clone(c.net.joined)
		c.net.mu.Unlock()
		for sid := range joined {
			c.net.deliver(c.net.order[outsider].ID(), protocol.Frame{Outcome: &protocol.Outcome{SID: sid, Failure: &protocol.Failure{Code: protocol.CodeInternal}}})
		}
		c.net.deliver(c.net.order[0].ID(), protocol.Frame{Cancel: &protocol.Cancel{}})
		c.engine.Receive(c.net.order[0].ID(), []byte("junk"))
		c.net.all(script{})
		if s, _ = c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 1 {
			t.Errorf("%v in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
	})
}
