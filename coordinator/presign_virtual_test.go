package coordinator

import (
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// newPresigner is a core whose accounts in use keep so many presignatures.
func newPresigner(t *testing.T, target int, names ...string) *core {
	t.Helper()
	_, approver, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &core{t: t, net: newFakeNet(t, names...)}
	c.run(Config{Dir: t.TempDir(), Network: testNetwork, Edge: Edge{APIKey: testKey}, Approver: approver, PresignTarget: target})
	t.Cleanup(func() { c.stop() })
	return c
}

// presigning makes an account that keeps so many presignatures; 0: that says nothing of it.
func (c *core) presigning(n, target int, ttl time.Duration) string {
	c.t.Helper()
	req := engine.KeygenRequest{Owner: "u", Scheme: protocol.ECDSA, Threshold: protocol.Threshold{T: 2, N: n}}
	if target > 0 {
		req.Presign = &registry.Presign{Target: target, TTL: int(ttl / time.Second)}
	}
	id, err := c.engine.Keygen(req)
	if err != nil {
		c.t.Fatal(err)
	}
	s, _ := c.finished(id)
	if s.Status != registry.StatusCompleted {
		c.t.Fatalf("keygen: %+v", s.Problem)
	}
	return s.Account
}

// signsDigest asks for a signature of a fresh digest.
func (c *core) signsDigest(account string) (id string) {
	c.t.Helper()
	digest := make([]byte, protocol.DigestSize)
	if _, err := rand.Read(digest); err != nil {
		c.t.Fatal(err)
	}
	id, err := c.engine.Sign(engine.SignRequest{Account: account, Payload: digest, Externals: -1})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// signs signs a fresh digest and checks that the session completes.
func (c *core) signs(account string) (*registry.Session, time.Duration) {
	c.t.Helper()
	s, took := c.finished(c.signsDigest(account))
	if s.Status != registry.StatusCompleted {
		c.t.Fatalf("%v in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
	}
	return s, took
}

func (c *core) stock(account string) int {
	c.t.Helper()
	p, can := c.engine.Presigning(c.registry.Account(account))
	if !can {
		c.t.Fatal("the account cannot presign")
	}
	return p.Stock
}

// wantStock waits for a time, and then for the parties that work to have done so.
func (c *core) wantStock(account string, n int, after time.Duration) {
	c.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	if got := c.stock(account); got != n {
		c.t.Fatalf("%d presignatures after %v, want %d", got, after, n)
	}
	held := 0
	for _, p := range c.net.order {
		held += p.holds()
	}
	if held != 2*n {
		c.t.Errorf("parties hold %d presignatures, want %d of two parties each", held, n)
	}
}

func (c *core) setPresign(account string, p *registry.Presign) {
	c.t.Helper()
	if _, err := c.engine.SetPresign(account, p, registry.Meta{}); err != nil {
		c.t.Fatal(err)
	}
}

func TestAccountThatAsksGetsPresignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 3, time.Hour)
		before := c.registry.LastSeq()
		c.wantStock(account, 3, 10*time.Second)
		if n := c.net.presignings(); n != 3 {
			t.Errorf("%d presignings for 3 presignatures", n)
		}
		if after := c.registry.LastSeq(); after != before {
			t.Errorf("%d events were written about it", after-before)
		}
		for range 3 {
			if s, took := c.signs(account); !s.Presigned || s.Attempt != 1 || took > 10*time.Millisecond {
				t.Errorf("attempt %d after %v, presigned: %v", s.Attempt, took, s.Presigned)
			}
		}
		if s, _ := c.signs(account); s.Presigned || s.Attempt != 1 {
			t.Error("a fourth one was there at once")
		}
		c.wantStock(account, 3, 10*time.Second)
		if n := c.engine.Presignatures(); n != (engine.PresignCounts{Held: 3, Used: 3}) {
			t.Errorf("counted %+v", n)
		}
	})
}

func TestAccountsInUsePresign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 2, "p1", "p2", "p3")
		account := c.presigning(3, 0, 0)
		eddsa := c.account(2, 3)
		c.wantStock(account, 0, 10*time.Second) // nobody has signed with it
		c.signs(account)
		c.finished(c.sign(eddsa))
		c.wantStock(account, 2, 5*time.Second)
		if n := c.net.presignings(); n != 2 {
			t.Errorf("%d presignings", n)
		}
		time.Sleep(11 * time.Minute)
		c.net.party("p1").reboot() // and with it all that it has a part in, and the others, too
		c.net.party("p2").reboot()
		c.net.party("p3").reboot()
		c.wantStock(account, 0, 10*time.Second) // it is not in use any more
		c.signs(account)
		c.wantStock(account, 2, 10*time.Second)
		c.setPresign(account, &registry.Presign{Target: 0, TTL: 3600})
		c.wantStock(account, 0, time.Second)
		c.signs(account)
		c.wantStock(account, 0, 10*time.Second)
	})
}

func TestPresignaturesGrowOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 1, time.Minute)
		c.wantStock(account, 1, 5*time.Second)
		first := c.net.heldBy()
		c.wantStock(account, 1, 31*time.Second) // half a minute before its parties forget it
		for sid := range c.net.heldBy() {
			if first[sid] {
				t.Error("the old one is still there")
			}
		}
		if n := c.engine.Presignatures(); n.Expired != 1 {
			t.Errorf("counted %+v", n)
		}
		c.net.all(script{presign: protocol.CodeBusy})
		time.Sleep(time.Minute)
		if s, _ := c.signs(account); s.Presigned || s.Attempt != 1 {
			t.Errorf("attempt %d with a presignature that is too old", s.Attempt)
		}
	})
}

func TestPartiesThatAreBusyAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		c.net.party("p2").set(script{presign: protocol.CodeBusy})
		account := c.presigning(2, 1, time.Hour)
		c.wantStock(account, 0, time.Minute)
		if n := c.net.presignings(); n < 5 || n > 9 { // 0.5, 1, 2, … 30 s apart
			t.Errorf("%d presignings in a minute were proposed to a party that is busy", n)
		}
		c.net.party("p2").set(script{})
		c.wantStock(account, 1, 31*time.Second)
	})
}

func TestTargetsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 1, time.Hour)
		c.wantStock(account, 1, 10*time.Second)
		c.setPresign(account, &registry.Presign{Target: 5, TTL: 3600})
		c.wantStock(account, 5, 10*time.Second)
		c.setPresign(account, &registry.Presign{Target: 2, TTL: 3600})
		c.wantStock(account, 2, time.Second)
		c.setPresign(account, nil)
		c.wantStock(account, 0, time.Second)
		c.setPresign(account, &registry.Presign{Target: 2, TTL: 3600})
		c.wantStock(account, 2, 10*time.Second)
		holds := func(p registry.Party) bool { return c.net.at(p.Peer).holds() > 0 }
		parties := c.registry.Account(account).Parties
		idle := parties[slices.IndexFunc(parties, func(p registry.Party) bool { return !holds(p) })]
		holder := parties[slices.IndexFunc(parties, holds)]
		if _, err := c.engine.FixSigners(account, []string{idle.Name, holder.Name}, registry.Meta{}); err != nil {
			t.Fatal(err)
		}
		c.wantStock(account, 2, 10*time.Second)
		if !holds(idle) || !holds(holder) {
			t.Error("others than the signing parties hold the presignatures")
		}
	})
}

func TestManySigningsShareNoPresignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 8, time.Hour)
		c.wantStock(account, 8, 30*time.Second)
		var calls sync.WaitGroup
		var mu sync.Mutex
		presigned := 0
		for range 64 {
			calls.Go(func() {
				s, _ := c.signs(account)
				mu.Lock()
				defer mu.Unlock()
				if s.Presigned {
					presigned++
				}
			})
		}
		calls.Wait() // the parties fail the test when two name one
		if n := c.engine.Presignatures(); presigned != 8 || n.Used != 8 || n.Missed != 0 || len(c.net.named) != 8 {
			t.Errorf("%d signings used a presignature; counted %+v, named %d", presigned, n, len(c.net.named))
		}
	})
}

func TestNothingIsPresignedWhileSessionsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 0, 0)
		c.net.all(script{mute: true})
		digest := make([]byte, protocol.DigestSize)
		digest[0] = 1
		id, err := c.engine.Sign(engine.SignRequest{Account: account, Payload: digest})
		if err != nil {
			t.Fatal(err)
		}
		c.setPresign(account, &registry.Presign{Target: 4, TTL: 3600})
		time.Sleep(30 * time.Second)
		if n := c.net.presignings(); n != 0 {
			t.Errorf("%d presignings were begun while a session ran", n)
		}
		c.net.all(script{})
		if err := c.engine.Cancel(t.Context(), id, registry.Meta{}); err != nil {
			t.Fatal(err)
		}
		c.finished(id)
		time.Sleep(240 * time.Millisecond)
		if n := c.net.presignings(); n != 0 {
			t.Errorf("%d presignings within 240 ms of a session's end", n)
		}
		c.wantStock(account, 4, 10*time.Second)
	})
}

func TestPresigningsRunOneAtATimeAndParty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3", "p4")
		accounts := []string{c.presigning(4, 20, time.Hour), c.presigning(4, 20, time.Hour), c.presigning(4, 20, time.Hour)}
		began := time.Now()
		for range 200 {
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			running := make(map[protocol.PeerID]int)
			for sid, roster := range c.presigningNow() {
				for _, peer := range roster {
					if running[peer]++; running[peer] > 1 {
						t.Fatalf("two presignings at a time, one of them %v, after %v", sid, time.Since(began))
					}
				}
			}
		}
		stock := 0
		for _, a := range accounts {
			stock += c.stock(a)
		}
		if stock < 40 { // one after the other, in 10 s of 300 ms each, they would be 33
			t.Errorf("%d presignatures after %v: disjoint sets can presign at the same time", stock, time.Since(began))
		}
		used := make(map[protocol.PeerID]int)
		for _, p := range c.net.order {
			used[p.ID()] = p.holds()
			if p.holds() == 0 {
				t.Errorf("%s has nothing to do", p.name)
			}
		}
	})
}

// presigningNow returns the rosters of the presignings that have been accepted and not
// ended.
func (c *core) presigningNow() map[protocol.SID][]protocol.PeerID {
	held := c.net.heldBy()
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	now := make(map[protocol.SID][]protocol.PeerID)
	for i := range c.net.sent {
		if f := c.net.sent[i].Propose; f != nil && f.Spec.Kind == protocol.KindPresign && !held[f.Spec.SID()] {
			now[f.Spec.SID()] = f.Spec.Peers()
		}
	}
	return now
}

// TestOnlyPartiesThatKeepTheirSharesPresign: a user's share and devices sign with all
// rounds.
func TestOnlyPartiesThatKeepTheirSharesPresign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 2, "p1", "p2", "p3")
		id, err := c.engine.Keygen(engine.KeygenRequest{
			Owner: "u", Scheme: protocol.ECDSA, Threshold: protocol.Threshold{T: 2, N: 3}, Custody: registry.CustodyHybrid,
			Presign: &registry.Presign{Target: 1, TTL: 3600},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := c.finished(id)
		c.wantStock(s.Account, 1, 10*time.Second)
		for _, p := range c.registry.Account(s.Account).Parties {
			if holds := c.net.at(p.Peer).holds(); (holds > 0) != (p.Member().Role == protocol.Persistent) {
				t.Errorf("%s, a %s, holds %d", p.Name, p.Member().Role, holds)
			}
		}
		if s, _ := c.signs(s.Account); !s.Presigned {
			t.Error("the two parties have signed without the presignature")
		}
	})
}
