package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// TestCoordinatorRestart ends the coordinator in both ways; accounts stay.
func TestCoordinatorRestart(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := newAccount(t, c, cluster.EdDSA)
	for _, end := range []func(testing.TB, *cluster.Cluster, string){stop, kill} {
		end(t, c, "coordinator")
		start(t, c, "coordinator")
		got, err := c.API.Account(waiting(t), account.ID)
		if err != nil || got.PublicKey != account.PublicKey || got.Status != account.Status {
			t.Fatalf("after the restart the account is %+v (%v), before it was %+v", got, err, account)
		}
		signWhenAble(t, c, account)
	}
}

// TestPartiesRestart ends all parties, in both ways; keys stay.
func TestPartiesRestart(t *testing.T) {
	c := shared(t, cluster.TCP)
	accounts := []cluster.Account{ecdsaAccount(t, c), newAccount(t, c, cluster.EdDSA)}
	for _, end := range []func(testing.TB, *cluster.Cluster, string){stop, kill} {
		for _, p := range c.Parties() {
			end(t, c, p.Name)
		}
		for _, p := range c.Parties() {
			start(t, c, p.Name)
		}
		for _, account := range accounts {
			signWhenAble(t, c, account)
		}
	}
}

// TestWrongMasterKey starts a party with another master key: it refuses and
// changes nothing, and works again with the right one.
func TestWrongMasterKey(t *testing.T) {
	c := shared(t, cluster.TCP)
	account := newAccount(t, c, cluster.EdDSA)
	stop(t, c, "p3")
	p3 := c.Process("p3")
	right := p3.LogFile[:len(p3.LogFile)-len(".log")] + ".master"
	wrong := filepath.Join(t.TempDir(), "wrong.master")
	if err := os.WriteFile(wrong, []byte(strings.Repeat("ab", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	p3.Set("master-key-file", wrong)
	err := p3.Start(waiting(t))
	p3.Set("master-key-file", right)
	if err == nil || p3.ExitCode() != 2 || !strings.Contains(err.Error(), "wrong master key") {
		t.Fatalf("with a wrong master key: exit code %d, %v", p3.ExitCode(), err)
	}
	start(t, c, "p3")
	kill(t, c, "p2")
	wantSigners(t, signWhenAble(t, c, account), "p1", "p3")
}

// TestDataFolderInUse starts a second process on a party's folder.
func TestDataFolderInUse(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := newAccount(t, c, cluster.EdDSA)
	twin := *c.Process("p1") // the same settings, but never started
	twin.Forget()
	twin.LogFile = filepath.Join(t.TempDir(), "twin.log")
	err := twin.Start(waiting(t))
	if err == nil || twin.ExitCode() != 2 || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("a second process on a data folder: exit code %d, %v", twin.ExitCode(), err)
	}
	mustSign(t, c, account) // the first one is none the worse
}

// TestColdCopy stops a party, copies its data folder and master key elsewhere,
// as the README says, and goes on from the copy: it has to sign.
func TestColdCopy(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := newAccount(t, c, cluster.EdDSA)
	ecdsa := ecdsaAccount(t, c)
	stop(t, c, "p1")
	p1 := c.Process("p1")
	elsewhere := t.TempDir()
	if err := os.CopyFS(filepath.Join(elsewhere, "data"), os.DirFS(p1.DataDir)); err != nil {
		t.Fatal(err)
	}
	master, err := os.ReadFile(strings.TrimSuffix(p1.LogFile, ".log") + ".master")
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(elsewhere, "master.key")
	if err := os.WriteFile(key, master, 0o600); err != nil {
		t.Fatal(err)
	}
	restored := *p1
	restored.Forget()
	restored.DataDir, restored.LogFile, restored.Config = filepath.Join(elsewhere, "data"), filepath.Join(elsewhere, "log"), filepath.Join(elsewhere, "p1.yaml")
	restored.Set("data-dir", restored.DataDir)
	restored.Set("master-key-file", key)
	if err := restored.Start(waiting(t)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := restored.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	kill(t, c, "p2")
	wantSigners(t, signWhenAble(t, c, account), "p1", "p3")
	wantSigners(t, signWhenAble(t, c, ecdsa), "p1", "p3")
}

// TestDrain tells a party that signs, and then the coordinator, to stop: the
// signature that is under way comes all the same.
func TestDrain(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := slowAccount(t, c)
	for _, role := range []string{cluster.RoleParty, cluster.RoleCoordinator} {
		t.Run(role, func(t *testing.T) {
			drainWhileSigning(t, shared(t, cluster.QUIC), account, role)
		})
	}
}

func drainWhileSigning(t *testing.T, c *cluster.Cluster, account cluster.Account, role string) {
	t.Helper()
	type answer struct {
		signed cluster.Signed
		err    error
	}
	var answers chan answer
	session, message := inRounds(t, c, account, func(ctx context.Context, message string) {
		answers = make(chan answer, 1)
		go func(answers chan<- answer) {
			signed, err := c.API.Sign(ctx, account.ID, cluster.SignRequest{Message: message})
			answers <- answer{signed, err}
		}(answers)
	})
	name := "coordinator"
	if role == cluster.RoleParty {
		name = c.ByPeer(session.Parties[0].PeerID).Name
	}
	stop(t, c, name)
	a := <-answers
	if a.err != nil {
		t.Fatalf("the signature that was under way when %s stopped: %v", name, a.err)
	}
	if err := verify(account, message, a.signed); err != nil {
		t.Error(err)
	}
	if a.signed.Session != session.ID {
		t.Errorf("session %s signed, %s was under way", a.signed.Session, session.ID)
	}
}
