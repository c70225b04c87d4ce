package coordinator

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// The tests of this file are about who presigns, for whom, and when.

// holders returns the parties that hold presignatures, and one that holds none.
func (c *core) holders() (with []*party, idle *party) {
	for _, p := range c.net.order {
		if p.holds() > 0 {
			with = append(with, p)
		} else {
			idle = p
		}
	}
	return with, idle
}

// TestSetThatSpoilsSigningsIsReplaced: a party that presigns well and then takes no part costs one
// signing its time, not all of them.
func TestSetThatSpoilsSigningsIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 4, time.Hour)
		c.wantStock(account, 4, 10*time.Second)
		with, _ := c.holders()
		with[0].set(script{stalls: true})
		if s, _ := c.signs(account); s.Presigned || s.Fallbacks != 1 {
			t.Errorf("presigned: %v, %d fallbacks", s.Presigned, s.Fallbacks)
		}
		synctest.Wait()
		if n := with[0].holds(); n != 0 {
			t.Errorf("the party that spoils signings still holds %d", n)
		}
		for range 4 {
			if s, took := c.signs(account); took > time.Second {
				t.Errorf("attempt %d after %v, %d fallbacks", s.Attempt, took, s.Fallbacks)
			}
		}
		c.wantStock(account, 4, 10*time.Second)
		if s, took := c.signs(account); !s.Presigned || took > time.Second || with[0].holds() > 0 {
			t.Errorf("presigned: %v after %v; who spoils signings holds %d", s.Presigned, took, with[0].holds())
		}
	})
}

// TestPartyThatForgetsIsNotAskedForLong: the others would make presignatures for nothing.
func TestPartyThatForgetsIsNotAskedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 1, time.Hour)
		for range 4 {
			c.wantStock(account, 1, 3*time.Minute)
			c.net.party("p2").forget(nil)
			c.signs(account)
		}
		before := c.net.presignings()
		time.Sleep(75 * time.Second)
		if n := c.net.presignings() - before; n != 0 {
			t.Errorf("%d presignings after the party has lost four", n)
		}
	})
}

func TestWhoIsBusyIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 2, time.Hour)
		c.wantStock(account, 2, 10*time.Second)
		with, idle := c.holders()
		with[0].set(script{presign: protocol.CodeBusy})
		c.setPresign(account, &registry.Presign{Target: 4, TTL: 3600})
		c.wantStock(account, 4, 5*time.Second)
		if idle.holds() != 2 || with[0].holds() != 2 {
			t.Errorf("who was idle holds %d, who is busy %d", idle.holds(), with[0].holds())
		}
	})
}

// TestWhoPresignsInSilenceIsReplaced: it has accepted, so that its silence is no refusal.
func TestWhoPresignsInSilenceIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		c.net.party("p2").set(script{noHold: true})
		accounts := make([]string, 8)
		for i := range accounts {
			accounts[i] = c.presigning(3, 1, time.Hour)
		}
		time.Sleep(5 * time.Minute)
		for _, a := range accounts {
			if c.stock(a) != 1 {
				t.Error("an account has no presignature")
			}
		}
	})
}

func TestUnusedAccountsKeepNothingByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 2, "p1", "p2", "p3")
		used, asks := c.presigning(3, 0, 0), c.presigning(3, 2, time.Hour)
		c.signs(used)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if c.stock(used) != 2 || c.stock(asks) != 2 {
			t.Errorf("%d presignatures of the account in use, %d of the one that asks", c.stock(used), c.stock(asks))
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if c.stock(used) != 0 || c.stock(asks) != 2 {
			t.Errorf("%d presignatures of an account that is not used any more, %d of one that asks", c.stock(used), c.stock(asks))
		}
	})
}

func TestAccountsWithNoneComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 2, "p1", "p2", "p3")
		busy := c.presigning(3, 200, time.Hour)
		c.signs(busy)
		time.Sleep(2 * time.Second)
		quiet := c.presigning(3, 1, time.Hour)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if c.stock(quiet) != 1 || c.stock(busy) < 5 {
			t.Errorf("%d and %d presignatures", c.stock(quiet), c.stock(busy))
		}
	})
}

// TestPresigningBetweenSessions: sessions that come without a pause leave room for one
// presigning now and then, for an account in use that has none.
func TestPresigningBetweenSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 1, "p1", "p2", "p3")
		eddsa, account := c.account(2, 3), c.presigning(3, 0, 0)
		time.Sleep(time.Second)
		c.signs(account)
		for range 100 { // 20 s
			c.finished(c.sign(eddsa))
			time.Sleep(200 * time.Millisecond)
		}
		if n := c.net.presignings(); n != 1 || c.stock(account) != 1 {
			t.Errorf("%d presignings, %d presignatures", n, c.stock(account))
		}
	})
}

// TestPeopleDoNotKeepPartiesFromPresigning: they may compare fingerprints for minutes.
func TestPeopleDoNotKeepPartiesFromPresigning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 0, 0)
		var codes []string
		id, err := c.engine.Keygen(engine.KeygenRequest{
			Owner: "u", Scheme: protocol.EdDSA, Threshold: protocol.Threshold{T: 2, N: 3}, Custody: registry.CustodyCoManaged, Externals: 1,
			Waiting: engine.Waiting{Life: time.Hour, Invite: inviter(t, &codes)},
		})
		if err != nil {
			t.Fatal(err)
		}
		device := c.net.add(&party{identity: newIdentity(t), name: "phone", external: true, script: script{mute: true}})
		hash := engine.InviteHash(codes[0])
		_, err = c.engine.Join(engine.JoinRequest{
			Code: codes[0], Peer: device.ID(), Proof: device.Sign(protocol.JoinStatement(testNetwork, id, device.ID(), hash)),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s := c.registry.Session(id); s.Status != registry.StatusRunning {
			t.Fatalf("the session with a device is %v", s.Status)
		}
		c.setPresign(account, &registry.Presign{Target: 2, TTL: 3600})
		c.wantStock(account, 2, 10*time.Second)
	})
}

// TestBusyPartiesGetTheirPause: one that has no room for a signing with a presignature has none for
// all rounds in the same moment either.
func TestBusyPartiesGetTheirPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 2, time.Hour)
		c.wantStock(account, 2, 10*time.Second)
		c.net.party("p2").set(script{refuse: protocol.CodeBusy})
		time.AfterFunc(20*time.Millisecond, func() { c.net.party("p2").set(script{}) })
		if s, took := c.signs(account); s.Attempt != 2 || took < 50*time.Millisecond || took > 200*time.Millisecond {
			t.Errorf("attempt %d after %v", s.Attempt, took)
		}
		if c.stock(account) != 1 {
			t.Errorf("%d presignatures are left of two", c.stock(account))
		}
	})
}

// noRoomForPresigned is a party that presigns, and says that it is busy when that is to be used.
func noRoomForPresigned(s *protocol.Spec) protocol.Code {
	if len(s.Presign) > 0 {
		return protocol.CodeBusy
	}
	return ""
}

// TestPartyWithNoRoomForPresignedSigningsIsReplaced: it costs an account three presignatures, and not all.
func TestPartyWithNoRoomForPresignedSigningsIsReplaced(t *testing.T) {
	for name, act := range map[string]script{"busy": {refuses: noRoomForPresigned}, "away": {dead: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newPresigner(t, 0, "p1", "p2", "p3")
				account := c.presigning(3, 4, time.Hour)
				c.wantStock(account, 4, 10*time.Second)
				with, idle := c.holders()
				for i := range 8 {
					with[0].set(act)
					if s, _ := c.signs(account); s.Presigned != (i >= 3) {
						t.Errorf("signing %d, presigned: %v", i+1, s.Presigned)
					}
					with[0].set(script{}) // it lives, and presigns
					time.Sleep(10 * time.Second)
				}
				c.wantStock(account, 4, 10*time.Second)
				if with[0].holds() != 0 || idle.holds() != 4 {
					t.Errorf("who has no room holds %d, who was idle %d", with[0].holds(), idle.holds())
				}
				if n := c.engine.Presignatures(); n.Used != 8 || n.Missed != 3 {
					t.Errorf("counted %+v", n)
				}
			})
		})
	}
}

// TestShortBusynessChangesNothing: neither two moments of it in a row, nor again after a signing that was
// presigned, nor many signings in one moment, nor a moment now and then.
func TestShortBusynessChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 4, time.Hour)
		c.wantStock(account, 4, 10*time.Second)
		with, idle := c.holders()
		for range 2 {
			with[0].set(script{refuses: noRoomForPresigned})
			for range 2 {
				if s, _ := c.signs(account); s.Presigned {
					t.Error("it has room")
				}
				time.Sleep(10 * time.Second)
			}
			with[0].set(script{})
			if s, _ := c.signs(account); !s.Presigned {
				t.Error("the stock is gone")
			}
			time.Sleep(10 * time.Second)
		}
		with[0].set(script{refuses: noRoomForPresigned})
		var ids []string
		for range 4 {
			ids = append(ids, c.signsDigest(account))
		}
		for _, id := range ids {
			if s, _ := c.finished(id); s.Presigned {
				t.Error("it has room")
			}
		}
		with[0].set(script{})
		for range 3 {
			time.Sleep(11 * time.Minute)
			with[0].set(script{refuses: noRoomForPresigned})
			if s, _ := c.signs(account); s.Presigned {
				t.Error("it has room")
			}
			with[0].set(script{})
		}
		c.wantStock(account, 4, 10*time.Second)
		if with[0].holds() != 4 || idle.holds() != 0 {
			t.Errorf("who was busy for a moment holds %d, who was idle %d", with[0].holds(), idle.holds())
		}
	})
}

// TestFullPartiesDropWhatIsUsedLeast: accounts that sign now come before those that keep some only because
// they did.
func TestFullPartiesDropWhatIsUsedLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 30, "p1", "p2")
		first, last := c.presigning(2, 0, 0), c.presigning(2, 0, 0)
		accounts := make([]string, 9)
		for i := range accounts {
			accounts[i] = c.presigning(2, 0, 0)
		}
		c.signs(first)
		for _, a := range accounts {
			time.Sleep(time.Second)
			c.signs(a)
		}
		time.Sleep(2 * time.Minute)
		c.net.all(script{presign: protocol.CodeBusy})
		c.signs(last)
		time.Sleep(time.Second)
		if c.stock(first) != 0 || c.stock(accounts[8]) != 30 {
			t.Errorf("the account used least lately keeps %d, another one %d", c.stock(first), c.stock(accounts[8]))
		}
		c.net.all(script{})
		time.Sleep(10 * time.Second)
		if c.stock(last) == 0 {
			t.Error("nothing for the account that signs")
		}
	})
}

// TestSettingOutlivesTooFewSigners: it is shown while it cannot be followed, for it comes back.
func TestSettingOutlivesTooFewSigners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		id, err := c.engine.Keygen(engine.KeygenRequest{
			Owner: "u", Scheme: protocol.ECDSA, Threshold: protocol.Threshold{T: 2, N: 3}, Custody: registry.CustodyHybrid,
			Presign: &registry.Presign{Target: 1, TTL: 600},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := c.finished(id)
		a := c.registry.Account(s.Account)
		if err := c.registry.Append(registry.Event{Stream: registry.AccountStream(a.ID), Type: registry.SigningParties, Parties: a.Parties[1:]}); err != nil {
			t.Fatal(err)
		}
		a = c.registry.Account(a.ID)
		want := engine.Presigning{Presign: registry.Presign{Target: 1, TTL: 600}, Set: true}
		if p, shown := c.engine.Presigning(a); !shown || p != want {
			t.Errorf("it shows %+v, %v", p, shown)
		}
	})
}

// TestForgottenWhenReachable: a party that cannot be reached for a moment is told afterwards what
// it holds for nothing.
func TestForgottenWhenReachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		account := c.presigning(3, 2, time.Hour)
		c.wantStock(account, 2, 10*time.Second)
		with, _ := c.holders()
		with[0].set(script{dead: true})
		time.Sleep(5 * time.Second)
		c.setPresign(account, &registry.Presign{Target: 0, TTL: 3600})
		time.Sleep(2 * time.Second)
		if with[0].holds() != 2 || with[1].holds() != 0 {
			t.Fatalf("who cannot be reached holds %d, the other one %d", with[0].holds(), with[1].holds())
		}
		with[0].set(script{})
		time.Sleep(3 * time.Second)
		if n := with[0].holds(); n != 0 || with[0].presigned.forgot != 1 {
			t.Errorf("it holds %d, and was told %d times to forget all", n, with[0].presigned.forgot)
		}
	})
}

// TestHeldAgainIsNotCancelled: a party may say twice that it holds one, the second time when a
// signing has named it.
func TestHeldAgainIsNotCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 1, time.Hour)
		c.wantStock(account, 1, 10*time.Second)
		c.net.all(script{hold: true})
		digest := make([]byte, protocol.DigestSize)
		digest[0] = 1
		id, err := c.engine.Sign(engine.SignRequest{Account: account, Payload: digest})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for named := range c.net.named {
			c.net.deliver(c.net.order[0].ID(), protocol.Frame{Held: &protocol.Held{SID: named, Until: time.Now().Add(time.Hour).Unix()}})
			synctest.Wait()
			if n := c.net.count(func(f *protocol.Frame) bool { return f.Cancel != nil && f.Cancel.SID == named }); n != 0 {
				t.Errorf("%d cancels of a presignature in use", n)
			}
		}
		c.net.all(script{})
		if s, _ := c.finished(id); !s.Presigned || s.Attempt != 1 {
			t.Errorf("attempt %d, presigned: %v", s.Attempt, s.Presigned)
		}
	})
}

// TestManyAccountsThatAskHoldNobodyUp: a look at what is wanted goes through some of them, and asks
// once for each party.
func TestManyAccountsThatAskHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2", "p3")
		first := c.registry.Account(c.presigning(3, 1, time.Hour))
		c.net.all(script{presign: protocol.CodeBusy})
		var events []registry.Event
		for i := range 2000 {
			id, account, key := fmt.Sprintf("copy-%d", i), first.NewAccount, first.Key
			account.KeyID = id
			events = append(events, registry.Event{Stream: registry.AccountStream(id), Type: registry.AccountCreated, Account: &account},
				registry.Event{Stream: registry.AccountStream(id), Type: registry.AccountActivated, Key: &key})
		}
		for some := range slices.Chunk(events, 200) {
			if err := c.registry.Append(some...); err != nil {
				t.Fatal(err)
			}
		}
		c.net.all(script{})
		time.Sleep(time.Minute)
		before, made := c.net.asked.Load(), c.engine.Presignatures().Held
		time.Sleep(10 * time.Second)
		synctest.Wait()
		made = c.engine.Presignatures().Held - made
		asked := c.net.asked.Load() - before
		if made < 15 || asked > 6000 { // none for each account or presignature
			t.Errorf("%d presignatures in 10 s, for which the network was asked %d times about its members", made, asked)
		}
	})
}

// TestSmallPartiesMakeRoom: a party that holds few presignatures holds some of each account that signs, not only of those
// that came first; but one that is busy with sessions is not taken for full.
func TestSmallPartiesMakeRoom(t *testing.T) {
	for _, sessions := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			c := newPresigner(t, 2, "p1", "p2")
			var accounts []string
			for range 3 {
				accounts = append(accounts, c.presigning(2, 0, 0))
			}
			for _, p := range c.net.order {
				p.mu.Lock()
				p.busy = sessions
				p.mu.Unlock()
			}
			c.net.all(script{room: 4})
			for _, account := range accounts[:2] {
				c.signs(account)
				time.Sleep(10 * time.Second)
				if n := c.stock(account); n != 2 {
					t.Fatalf("%d presignatures", n)
				}
			}
			c.signs(accounts[2])
			time.Sleep(time.Minute)
			var stock []int
			for _, account := range accounts {
				stock = append(stock, c.stock(account))
			}
			want := []int{1, 2, 1} // the oldest gave up its own, and shares what is free with the new one
			if sessions > 0 {
				want = []int{2, 2, 0}
			}
			if !slices.Equal(stock, want) {
				t.Errorf("%d sessions: the accounts have %v, not %v", sessions, stock, want)
			}
		})
	}
}
