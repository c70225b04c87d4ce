package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// TestPresignatures signs with presignatures of real parties, and without them when they
// are lost: each signature is verified, and callers notice nothing but time.
func TestPresignatures(t *testing.T) {
	c := shared(t, cluster.QUIC)
	account := ecdsaAccount(t, c)
	setTarget(t, c, account, 3)
	defer setTarget(t, c, account, 0)
	wantStock(t, c, account, 3)
	for range 3 {
		wantPresigned(t, c, account)
	}

	wantStock(t, c, account, 3)
	holder := aHolder(t, c)
	kill(t, c, holder)
	start(t, c, holder)
	if s := signOnce(t, c, account); s.Presigned && s.Attempt == 1 && isSigner(s, c.Process(holder)) {
		t.Errorf("party %s has signed with a presignature that it has lost", holder)
	}
	wantStock(t, c, account, 3)
	wantPresigned(t, c, account)

	kill(t, c, "coordinator") // what it knew of presignatures is gone
	start(t, c, "coordinator")
	if err := c.WaitLive(waiting(t), 3); err != nil {
		t.Fatal(err)
	}
	signOnce(t, c, account)
	wantStock(t, c, account, 3)
	wantPresigned(t, c, account)
}

// TestAPresignatureIsLostUnnoticed ends a worker that holds presignatures and signs before
// anybody has heard that another one has taken its place.
func TestAPresignatureIsLostUnnoticed(t *testing.T) {
	c := shared(t, cluster.TCP)
	account := ecdsaAccount(t, c)
	setTarget(t, c, account, 2)
	defer setTarget(t, c, account, 0)
	for range 2 {
		wantStock(t, c, account, 2)
		holder := c.Process(aHolder(t, c))
		killWorker(t, holder, runFile(t, holder))
		signOnce(t, c, account)
	}
}

// setTarget says how many presignatures an account keeps.
func setTarget(t *testing.T, c *cluster.Cluster, account cluster.Account, n int) {
	t.Helper()
	if err := c.API.SetPresign(waiting(t), account.ID, n); err != nil {
		t.Fatal(err)
	}
}

// wantStock waits until an account has n presignatures.
func wantStock(t *testing.T, c *cluster.Cluster, account cluster.Account, n int) {
	t.Helper()
	ctx, last := waiting(t), 0
	err := cluster.Poll(ctx, func() (bool, error) {
		p, err := c.API.Presigning(ctx, account.ID)
		last = p.Stock
		return err == nil && p.Stock == n, err
	})
	if err != nil {
		t.Fatalf("wait for %d presignatures: there are %d: %v", n, last, err)
	}
}

// signOnce signs a fresh message, verifies the signature, and returns the session.
func signOnce(t *testing.T, c *cluster.Cluster, account cluster.Account) cluster.Session {
	t.Helper()
	s, err := signedSession(waiting(t), c, account)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantPresigned signs until a presignature was used, which waits. It is left where it is when one of
// its parties has shown no sign of life for a moment, as happens on a busy machine.
func wantPresigned(t *testing.T, c *cluster.Cluster, account cluster.Account) {
	t.Helper()
	for ctx := waiting(t); ; {
		s := signOnce(t, c, account)
		if s.Presigned && s.Attempt == 1 {
			return
		}
		t.Logf("attempt %d, presigned: %v; presignatures waited", s.Attempt, s.Presigned)
		if ctx.Err() != nil {
			t.Fatal("no signature uses a presignature")
		}
	}
}

// aHolder returns the name of a party that says that it holds presignatures: it does so some time after it has them.
func aHolder(t *testing.T, c *cluster.Cluster) (name string) {
	t.Helper()
	err := cluster.Poll(waiting(t), func() (bool, error) {
		for _, p := range pool(t, c) {
			if p.Held > 0 {
				name = p.Name
			}
		}
		return name != "", nil
	})
	if err != nil {
		t.Fatalf("wait for a party that holds presignatures: %v", err)
	}
	return name
}

func signedSession(ctx context.Context, c *cluster.Cluster, account cluster.Account) (cluster.Session, error) {
	signed, err := sign(ctx, c, account)
	if err != nil {
		return cluster.Session{}, fmt.Errorf("sign: %w", err)
	}
	return c.API.Session(ctx, signed.Session)
}

func pool(t *testing.T, c *cluster.Cluster) []cluster.PoolParty {
	t.Helper()
	parties, err := c.API.Pool(waiting(t))
	if err != nil {
		t.Fatal(err)
	}
	return parties
}

func isSigner(s cluster.Session, p *cluster.Process) bool {
	for _, x := range s.Parties {
		if x.PeerID == p.Run().PeerID {
			return true
		}
	}
	return false
}
