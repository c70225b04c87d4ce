package e2e

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// saveFaultVariable names the file with the save of a share at which a party's process
// is killed in builds with the tag faults.
const saveFaultVariable = "MPCD_FAULT_SAVE"

func saveFaultFile(p *cluster.Process) string { return p.DataDir + ".save-fault" }

// TestAKeygenOutlivesAKillBetweenItsPhases kills the process of a party, as by kill
// -9, before and after each of the two saves of a keygen, when the others have saved
// their shares or are about to. The one request gives an account all the same: the key is
// completed, or there is none and the next attempt makes one.
func TestAKeygenOutlivesAKillBetweenItsPhases(t *testing.T) {
	c := crashable(t)
	p1 := c.Process("p1")
	for _, at := range []string{"before pending", "after pending", "before active", "after active"} {
		t.Run(at, func(t *testing.T) {
			account, before := accountDespiteKill(t, c, p1, at)
			session, err := c.API.Session(waiting(t), account.Session)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("made in attempt %d", session.Attempt)
			wantBack(t, p1, before, before.Restarts+1)
			fixSigners(t, c, account, "p1", "p2")
			signWhenAble(t, c, account) // p1 may not be in the network yet
			fixSigners(t, c, account, "p2", "p3")
			signWhenAble(t, c, account) // one of the two may be too slow for its ping
		})
	}
}

// accountDespiteKill makes an account with one request, during which a party's process is killed,
// and returns what that was before. On a busy machine the next one may be so slow to come that
// the request is given up: then it is tried once more, with another kill.
func accountDespiteKill(t *testing.T, c *cluster.Cluster, p *cluster.Process, at string) (account cluster.Account, before cluster.RunInfo) {
	t.Helper()
	ctx := waiting(t)
	err := cluster.Poll(ctx, func() (bool, error) {
		before = runFile(t, p)
		if err := os.WriteFile(saveFaultFile(p), []byte(at), 0o600); err != nil {
			return false, err
		}
		var err error
		account, err = c.API.CreateAccount(ctx, cluster.AccountRequest{UserID: t.Name(), Scheme: cluster.EdDSA})
		_, alive := os.Stat(saveFaultFile(p))
		killed := errors.Is(alive, fs.ErrNotExist)
		if problem := (*cluster.Problem)(nil); errors.As(err, &problem) && (problem.Code == "party_lost" || problem.Code == "too_few_parties") {
			t.Logf("make an account: %v: once more", err)
			if killed {
				wantBack(t, p, before, before.Restarts+1)
			}
			return false, nil
		}
		if err == nil && !killed {
			err = errors.New("nobody was killed")
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("make an account: %v", err)
	}
	return account, before
}
