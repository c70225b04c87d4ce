package e2e

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
	"github.com/meshmpc/mpcd/cmd/e2e/judge"
)

// What the system promises about lost parties.
const (
	tooFewWithin   = 2 * time.Second // a clear answer when fewer than t are left
	returnedWithin = 5 * time.Second // a party that came back takes part
)

// TestLossOfParties kills parties without warning, on both transports: one of
// three may be missing; with two missing the caller is told who; a party that
// comes back signs again.
func TestLossOfParties(t *testing.T) {
	for _, transport := range []cluster.Transport{cluster.QUIC, cluster.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			c := shared(t, transport)
			account := newAccount(t, c, cluster.EdDSA)

			kill(t, c, "p3")
			wantSigners(t, signWhenAble(t, c, account), "p1", "p2") // one that lives may be too slow for its ping

			kill(t, c, "p2")
			wantTooFew(t, c, account, "p2", "p3")

			since := time.Now()
			start(t, c, "p3")
			wantSigners(t, signWhenAble(t, c, account), "p1", "p3")
			wantWithin(t, "a returned party signed", since, returnedWithin)

			// Now the one that returned has to sign with one that has just returned too.
			kill(t, c, "p1")
			since = time.Now()
			start(t, c, "p2")
			wantSigners(t, signWhenAble(t, c, account), "p2", "p3")
			wantWithin(t, "a returned party signed", since, returnedWithin)
		})
	}
}

func wantSigners(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("signed by %v, want %v", got, want)
	}
}

// wantTooFew wants a refusal that names exactly the missing parties. One that lives may be too
// slow for its ping, and is named then, too: it is asked once more.
func wantTooFew(t *testing.T, c *cluster.Cluster, account cluster.Account, missing ...string) {
	t.Helper()
	for ctx := waiting(t); ; {
		since := time.Now()
		_, err := sign(ctx, c, account)
		wantWithin(t, "too few parties were reported", since, tooFewWithin)
		var problem *cluster.Problem
		if !errors.As(err, &problem) || problem.Status != 503 || problem.Code != "too_few_parties" {
			t.Fatalf("want a 503 problem too_few_parties, got %v", err)
		}
		var named []string
		for _, p := range problem.Parties {
			named = append(named, p.Name)
		}
		slices.Sort(named)
		if slices.Equal(named, missing) {
			return
		}
		t.Logf("the problem names %v, want %v: %v", named, missing, problem)
		if lacks := func(name string) bool { return !slices.Contains(named, name) }; slices.ContainsFunc(missing, lacks) {
			t.Fatal("it does not name who is missing")
		}
	}
}

// wantWithin logs how long something took, and fails when it took slack times
// longer than promised.
func wantWithin(t *testing.T, what string, since time.Time, promised time.Duration) {
	t.Helper()
	took := time.Since(since)
	t.Logf("%s after %v (promised: %v)", what, took.Round(time.Millisecond), promised)
	if took > slack*promised {
		t.Errorf("%s after %v, promised are %v", what, took, promised)
	}
}

// TestLossWhileSigning kills a party in the middle of a signature: another one
// takes its place, and the caller sees nothing but a longer wait.
func TestLossWhileSigning(t *testing.T) {
	account := slowAccount(t, shared(t, cluster.TCP))
	for ctx := waiting(t); ; {
		c := shared(t, cluster.TCP)
		running, message := inRounds(t, c, account, beginning(t, c, account))
		lost := c.ByPeer(running.Parties[0].PeerID).Name
		kill(t, c, lost)
		session := waitEnd(t, c, running.ID)
		if session.Status == "completed" && session.Attempt == running.Attempt && ctx.Err() == nil {
			t.Logf("%s was killed when it had said all that it had to say: once more", lost)
			continue
		}
		if session.Status != "completed" || session.Attempt == running.Attempt || session.Signature == nil {
			t.Fatalf("%s was killed; the session is %s in attempt %d: %v", lost, session.Status, session.Attempt, session.Error)
		}
		if err := judge.ECDSA(account.PublicKey, message, session.Signature.RSV); err != nil {
			t.Error(err)
		}
		if slices.Contains(signers(t, c, session.ID), lost) {
			t.Errorf("%s was killed and signed all the same", lost)
		}
		return
	}
}
