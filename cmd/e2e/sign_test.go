package e2e

import (
	"slices"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// TestSign is the happy path: both schemes, through HTTP, judged by others.
func TestSign(t *testing.T) {
	c := shared(t, cluster.QUIC)
	for _, scheme := range []string{cluster.ECDSA, cluster.EdDSA} {
		t.Run(scheme, func(t *testing.T) {
			account := newAccount(t, c, scheme)
			if account.Scheme != scheme || account.T != 2 || account.N != 3 || len(account.Parties) != 3 {
				t.Errorf("the account is %+v, want 2-of-3 by %s", account, scheme)
			}
			for range 3 {
				if who := mustSign(t, c, account); len(who) != 2 {
					t.Errorf("signed by %v, want two parties", who)
				}
			}
			checkSession(t, c, account)
		})
	}
}

// checkSession looks at the session that made an account.
func checkSession(t *testing.T, c *cluster.Cluster, account cluster.Account) {
	t.Helper()
	session, err := c.API.Session(waiting(t), account.Session)
	if err != nil {
		t.Fatal(err)
	}
	if session.Kind != "keygen" || session.Status != "completed" || session.Account != account.ID || len(session.Parties) != 3 {
		t.Errorf("the session is %+v, want a completed keygen of account %s", session, account.ID)
	}
	resp, err := c.API.Do(waiting(t), "GET", "/api/v1/sessions/"+session.ID+"/events", "")
	if err != nil || resp.Status != 200 || len(resp.Body) < 3 {
		t.Errorf("its events: %v, %+v", err, resp)
	}
}

// TestThresholds makes keys that need two of two, and three of three.
func TestThresholds(t *testing.T) {
	c := shared(t, cluster.QUIC)
	for _, threshold := range []cluster.Threshold{{T: 2, N: 2}, {T: 3, N: 3}} {
		account, err := c.API.CreateAccount(waiting(t), cluster.AccountRequest{UserID: "u", Scheme: cluster.EdDSA, Threshold: &threshold})
		if err != nil {
			t.Fatalf("%d-of-%d: %v", threshold.T, threshold.N, err)
		}
		if who := mustSign(t, c, account); len(who) != threshold.T {
			t.Errorf("%d-of-%d: signed by %v", threshold.T, threshold.N, who)
		}
	}
}

// TestNamedParties makes a key with parties that the caller names.
func TestNamedParties(t *testing.T) {
	c := shared(t, cluster.QUIC)
	want := []string{"p1", "p3"}
	account, err := c.API.CreateAccount(waiting(t), cluster.AccountRequest{
		UserID: "u", Scheme: cluster.EdDSA, Threshold: &cluster.Threshold{T: 2, N: 2}, Parties: want,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := mustSign(t, c, account)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("signed by %v, want %v", got, want)
	}
}
