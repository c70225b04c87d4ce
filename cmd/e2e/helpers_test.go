package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// newAccount makes a 2-of-3 key. While safe primes are found on a busy machine a party may be silent
// for so long that it counts as lost, and nobody can take its place: then it is tried once more.
func newAccount(t testing.TB, c *cluster.Cluster, scheme string) cluster.Account {
	t.Helper()
	for ctx := waiting(t); ; {
		account, err := c.API.CreateAccount(ctx, cluster.AccountRequest{UserID: t.Name(), Scheme: scheme})
		problem := (*cluster.Problem)(nil)
		switch {
		case err == nil:
			return account
		case scheme == cluster.ECDSA && errors.As(err, &problem) && problem.Code == "party_lost":
			t.Logf("make an account: %v: once more", err)
		default:
			t.Fatalf("make an account: %v", err)
		}
	}
}

// ecdsaKeys are the ECDSA accounts that tests share, one a cluster: making one takes seconds of every
// core.
var ecdsaKeys = map[*cluster.Cluster]cluster.Account{}

// ecdsaAccount returns an ECDSA account that has the settings of a new one, and has signed before.
func ecdsaAccount(t *testing.T, c *cluster.Cluster) cluster.Account {
	t.Helper()
	account, ok := ecdsaKeys[c]
	if !ok {
		account = newAccount(t, c, cluster.ECDSA)
		ecdsaKeys[c] = account
	}
	for _, setting := range []string{"presign", "signing-parties"} {
		if err := c.API.Call(waiting(t), "DELETE", "/api/v1/accounts/"+account.ID+"/"+setting, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	return account
}

// slowAccount is ecdsaAccount without presignatures, so that a signature takes a while.
func slowAccount(t *testing.T, c *cluster.Cluster) cluster.Account {
	t.Helper()
	account := ecdsaAccount(t, c)
	setPresign(t, c, account, 0)
	wantStock(t, c, account, 0)
	return account
}

// randomMessage returns 32 random bytes: a digest for ECDSA, a message for
// EdDSA.
func randomMessage() []byte {
	message := make([]byte, 32)
	_, _ = rand.Read(message) // never fails, see its documentation
	return message
}

// sign signs a fresh message and judges the signature.
func sign(ctx context.Context, c *cluster.Cluster, account cluster.Account) (cluster.Signed, error) {
	message := randomMessage()
	signed, err := c.API.Sign(ctx, account.ID, cluster.SignRequest{Message: hex.EncodeToString(message)})
	if err != nil {
		return signed, err
	}
	return signed, verify(account, message, signed)
}

func verify(account cluster.Account, message []byte, signed cluster.Signed) error {
	if got := hex.EncodeToString(message); signed.Message != got {
		return fmt.Errorf("the answer says that %q was signed, not %q", signed.Message, got)
	}
	if account.Scheme == cluster.EdDSA {
		return judge.EdDSA(account.PublicKey, message, signed.Signature.Compact)
	}
	return judge.ECDSA(account.PublicKey, message, signed.Signature.RSV)
}

// mustSign signs and returns the names of who signed.
func mustSign(t testing.TB, c *cluster.Cluster, account cluster.Account) []string {
	t.Helper()
	signed, err := sign(waiting(t), c, account)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signers(t, c, signed.Session)
}

// signers returns the names of the parties of a session.
func signers(t testing.TB, c *cluster.Cluster, session string) []string {
	t.Helper()
	s, err := c.API.Session(waiting(t), session)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range s.Parties {
		if c.ByPeer(p.PeerID) == nil {
			t.Fatalf("session %s names a peer that is not of this cluster: %s", session, p.PeerID)
		}
		names = append(names, c.ByPeer(p.PeerID).Name)
	}
	return names
}

// signWhenAble signs as soon as there are enough parties: only a lack of them
// is waited out.
func signWhenAble(t testing.TB, c *cluster.Cluster, account cluster.Account) []string {
	t.Helper()
	ctx := waiting(t)
	var signed cluster.Signed
	err := cluster.Poll(ctx, func() (bool, error) {
		var err error
		signed, err = sign(ctx, c, account)
		if problem := (*cluster.Problem)(nil); errors.As(err, &problem) && problem.Code == "too_few_parties" {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signers(t, c, signed.Session)
}

func kill(t testing.TB, c *cluster.Cluster, name string) {
	t.Helper()
	if err := c.Process(name).Kill(); err != nil {
		t.Fatal(err)
	}
}

func start(t testing.TB, c *cluster.Cluster, name string) {
	t.Helper()
	if err := c.Process(name).Start(waiting(t)); err != nil {
		t.Fatal(err)
	}
}

// stop ends a process gracefully and wants exit code 0.
func stop(t testing.TB, c *cluster.Cluster, name string) {
	t.Helper()
	p := c.Process(name)
	if err := p.Stop(waiting(t)); err != nil {
		t.Fatal(err)
	}
	if code := p.ExitCode(); code != 0 {
		t.Fatalf("%s ended with exit code %d, want 0", name, code)
	}
}

// coldAccount makes an ECDSA account that has no presignatures, so that its signatures take a
// while.
func coldAccount(t testing.TB, c *cluster.Cluster) cluster.Account {
	t.Helper()
	account := newAccount(t, c, cluster.ECDSA)
	setPresign(t, c, account, 0)
	return account
}

// setPresign says how many presignatures an account keeps.
func setPresign(t testing.TB, c *cluster.Cluster, account cluster.Account, target int) {
	t.Helper()
	if err := c.API.SetPresign(waiting(t), account.ID, target); err != nil {
		t.Fatalf("PUT /api/v1/accounts/{id}/presign: %v", err)
	}
}

// inRounds begins signatures, one after the other, until one is seen while all its parties are in
// their rounds: a test that is not scheduled for a while may find that one is over already.
func inRounds(t testing.TB, c *cluster.Cluster, account cluster.Account, begin func(ctx context.Context, message string)) (cluster.Session, []byte) {
	t.Helper()
	ctx := waiting(t)
	for {
		before := signings(t, c, account)
		message := randomMessage()
		begin(ctx, hex.EncodeToString(message))
		var s cluster.Session
		err := cluster.Poll(ctx, func() (bool, error) {
			for _, s = range signings(t, c, account) {
				if !slices.ContainsFunc(before, func(old cluster.Session) bool { return old.ID == s.ID }) {
					return s.Done() || areInRounds(s.Parties), nil
				}
			}
			return false, nil
		})
		switch {
		case err != nil:
			t.Fatalf("wait for a signature in its rounds: %v", err)
		case !s.Done():
			return s, message
		case s.Status != "completed":
			t.Fatalf("a signature is %s: %v", s.Status, s.Error)
		}
	}
}

// signings returns the sessions that have signed for an account, or do.
func signings(t testing.TB, c *cluster.Cluster, account cluster.Account) []cluster.Session {
	t.Helper()
	var page struct {
		Sessions []cluster.Session `json:"sessions"`
	}
	if err := c.API.Call(waiting(t), "GET", "/api/v1/sessions?kind=sign&account_id="+account.ID, nil, &page); err != nil {
		t.Fatal(err)
	}
	return page.Sessions
}

func areInRounds(parties []cluster.PartyStatus) bool {
	return len(parties) > 0 && !slices.ContainsFunc(parties, func(p cluster.PartyStatus) bool { return p.Round == 0 })
}
