package e2e

import (
	"fmt"
	"sync"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// TestManyAtOnce: what comes at the same moment is all signed, whether it is for one account
// or for many. ECDSA takes half a second of a processor for each signature.
func TestManyAtOnce(t *testing.T) {
	c := shared(t, cluster.QUIC)
	for _, many := range []struct {
		scheme          string
		calls, accounts int
	}{{cluster.EdDSA, 64, 1}, {cluster.EdDSA, 200, 10}, {cluster.ECDSA, 16, 1}} {
		t.Run(fmt.Sprintf("%s %d over %d", many.scheme, many.calls, many.accounts), func(t *testing.T) {
			signAtOnce(t, c, many.scheme, many.calls, many.accounts)
		})
	}
}

// signAtOnce asks for so many signatures at the same moment, of each account in turn, and
// judges all of them.
func signAtOnce(t *testing.T, c *cluster.Cluster, scheme string, calls, accounts int) {
	t.Helper()
	made := []cluster.Account{}
	if scheme == cluster.ECDSA {
		made = append(made, ecdsaAccount(t, c))
	}
	for len(made) < accounts {
		made = append(made, newAccount(t, c, scheme))
	}
	ctx := waiting(t)
	start, sessions, errs := make(chan struct{}), make([]string, calls), make([]error, calls)
	var work sync.WaitGroup
	for i := range calls {
		work.Go(func() {
			<-start
			signed, err := sign(ctx, c, made[i%len(made)])
			sessions[i], errs[i] = signed.Session, err
		})
	}
	close(start)
	work.Wait()
	seen := make(map[string]bool)
	for i, err := range errs {
		if err != nil {
			t.Errorf("call %d of %d: %v", i, calls, err)
			continue
		}
		seen[sessions[i]] = true
	}
	if !t.Failed() && len(seen) != calls {
		t.Errorf("%d calls were answered by %d sessions", calls, len(seen))
	}
}
