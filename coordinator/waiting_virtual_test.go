package coordinator

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/invite"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// The tests of this file run in virtual time: the times that they assert are exact.

// inviter makes invites without HTTP.
func inviter(t *testing.T, codes *[]string) func() (registry.Invite, error) {
	issuer, err := invite.New(testNetwork, testJoinSecret)
	if err != nil {
		t.Fatal(err)
	}
	return func() (registry.Invite, error) {
		id, err := invite.NewID()
		code := issuer.Code(id)
		*codes = append(*codes, code)
		return registry.Invite{ID: id, Hash: invite.Hash(code)}, err
	}
}

// waitingSessions starts a session for each thing that one may wait for.
func waitingSessions(t *testing.T, c *core, life time.Duration, codes *[]string) map[registry.Wait]string {
	t.Helper()
	ann := newApprover(t)
	fixed, err := c.engine.Keygen(engine.KeygenRequest{
		Owner: "u", Scheme: protocol.EdDSA, Threshold: protocol.Threshold{T: 2, N: 3}, Approvers: protocol.Approvers{M: 1, Keys: [][]byte{ann.spki}},
	})
	if err != nil {
		t.Fatal(err)
	}
	key, _ := c.finished(fixed)
	wait := engine.Waiting{Life: life, Invite: inviter(t, codes)}
	sign, err := c.engine.Sign(engine.SignRequest{Account: key.Account, Payload: []byte("m"), Externals: -1, Waiting: wait})
	if err != nil {
		t.Fatal(err)
	}
	keygen := engine.KeygenRequest{Owner: "u", Scheme: protocol.EdDSA, Threshold: protocol.Threshold{T: 2, N: 3}, Waiting: wait}
	open, devices := keygen, keygen
	open.Custody, open.Open = registry.CustodyHybrid, true
	devices.Custody, devices.Externals = registry.CustodyCoManaged, 1
	ids := map[registry.Wait]string{registry.WaitApprovals: sign}
	for waits, req := range map[registry.Wait]engine.KeygenRequest{registry.WaitUser: open, registry.WaitExternal: devices} {
		if ids[waits], err = c.engine.Keygen(req); err != nil {
			t.Fatal(err)
		}
	}
	for waits, id := range ids {
		if s := c.registry.Session(id); s.Waiting() != waits {
			t.Fatalf("a session waits for %q, not %q", s.Waiting(), waits)
		}
	}
	return ids
}

func TestWaitingSessionsExpire(t *testing.T) {
	for name, life := range map[string]time.Duration{"default": 0, "asked for": 90 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCore(t, "p1", "p2", "p3")
				var codes []string
				ids := waitingSessions(t, c, life, &codes)
				c.net.all(script{dead: true}) // heartbeats cost real time
				time.Sleep(engine.DefaultKeygenWait + time.Minute)
				for waits, says := range map[registry.Wait]string{
					registry.WaitApprovals: "0 approvals came", registry.WaitUser: "nobody asked for the user's share", registry.WaitExternal: "0 of 1 invited devices joined",
				} {
					want := life
					if want == 0 {
						want = engine.DefaultKeygenWait
						if waits == registry.WaitApprovals {
							want = engine.DefaultSignWait
						}
					}
					s := c.registry.Session(ids[waits])
					if s.Status != registry.StatusExpired || s.Problem.Code != registry.CodeSessionTimeout || !strings.Contains(s.Problem.Detail, says) {
						t.Errorf("%v: %+v; want it to say %q", s.Status, s.Problem, says)
					}
					if took := s.Finished.Sub(s.Created).Round(time.Second); took != want {
						t.Errorf("%s: it waited for %v, not %v", says, took, want)
					}
				}
				if _, err := c.engine.Join(engine.JoinRequest{Code: codes[len(codes)-1]}); err == nil {
					t.Error("an expired invite was taken")
				}
			})
		})
	}
}

func TestWaitingSessionsExpireWhileTheCoordinatorIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		var codes []string
		ids := waitingSessions(t, c, 90*time.Second, &codes)
		c.stop()
		time.Sleep(time.Hour)
		c.run(c.cfg)
		for waits, id := range ids {
			s, took := c.finished(id)
			if s.Status != registry.StatusExpired || took > time.Second {
				t.Errorf("%s: %v after %v", waits, s.Status, took)
			}
		}
	})
}

// TestApprovalThatExpiresWhileOthersAreWaitedFor: what counts is what is valid
// when the parties are asked.
func TestApprovalThatExpiresWhileOthersAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		ann, ben := newApprover(t), newApprover(t)
		id, err := c.engine.Keygen(engine.KeygenRequest{
			Owner: "u", Scheme: protocol.EdDSA, Threshold: protocol.Threshold{T: 2, N: 3}, Approvers: protocol.Approvers{M: 2, Keys: [][]byte{ann.spki, ben.spki}},
		})
		if err != nil {
			t.Fatal(err)
		}
		key, _ := c.finished(id)
		sign, err := c.engine.Sign(engine.SignRequest{Account: key.Account, Payload: []byte("m"), Externals: -1})
		if err != nil {
			t.Fatal(err)
		}
		approve := func(a approver, life time.Duration) {
			claims := c.engine.Claims(sign, &c.registry.Session(sign).NewSession)
			claims.NotBefore, claims.Expires = time.Now().Unix(), time.Now().Add(life).Unix()
			token, err := protocol.SignApproval(a.key, claims)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.engine.Approve(sign, []string{token}, registry.Meta{}); err != nil {
				t.Fatal(err)
			}
		}
		approve(ann, time.Minute)
		time.Sleep(2 * time.Minute)
		approve(ben, time.Minute)
		synctest.Wait()
		if s := c.registry.Session(sign); s.Waiting() != registry.WaitApprovals || len(c.engine.ApprovedBy(s)) != 1 {
			t.Fatalf("session %v with %v", s.Status, c.engine.ApprovedBy(s))
		}
		approve(ann, time.Minute)
		if s, _ := c.finished(sign); s.Status != registry.StatusCompleted || s.Attempt != 1 {
			t.Errorf("%v in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
	})
}
