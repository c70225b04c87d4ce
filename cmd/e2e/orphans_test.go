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
			before := runFile(t, p1)
			if err := os.WriteFile(saveFaultFile(p1), []byte(at), 0o600); err != nil {
				t.Fatal(err)
			}
			account := newAccount(t, c, cluster.EdDSA) // of one request
			if _, err := os.Stat(saveFaultFile(p1)); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("nobody was killed: %v", err)
			}
			session, err := c.API.Session(waiting(t), account.Session)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("made in attempt %d", session.Attempt)
			wantBack(t, p1, before, before.Restarts+1)
			fixSigners(t, c, account, "p1", "p2")
			signWhenAble(t, c, account) // p1 may not be in the network yet
			fixSigners(t, c, account, "p2", "p3")
			mustSign(t, c, account)
		})
	}
}
