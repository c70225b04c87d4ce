package coordinator

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/meshmpc/mpcd/coordinator/rest"
)

// newBusyCluster is a cluster with the limits that a daemon has by default.
func newBusyCluster(t *testing.T, change func(*Config)) *cluster {
	t.Helper()
	cl := newClusterWith(t, func(c *Config) {
		c.RateReads, c.RateWrites = DefaultRateReads, DefaultRateWrites
		change(c)
	}, "p1", "p2", "p3")
	cl.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 256
	return cl
}

// signAll asks for n signatures over different messages at the same moment, of one account
// after the other, and returns the answers.
func (cl *cluster) signAll(n int, accounts ...rest.Account) []answer {
	cl.t.Helper()
	answers := make([]answer, n)
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			answers[i] = cl.post(signPath(accounts[i%len(accounts)].ID), fmt.Sprintf(`{"message":"%064x"}`, i+1))
		})
	}
	calls.Wait()
	return answers
}

func TestManySignaturesAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ calls, accounts int }{{64, 1}, {200, 20}} {
		t.Run(fmt.Sprintf("%d over %d", c.calls, c.accounts), func(t *testing.T) {
			t.Parallel()
			cl := newBusyCluster(t, func(*Config) {})
			var accounts []rest.Account
			for range c.accounts {
				accounts = append(accounts, cl.account(`{"user_id":"u"}`))
			}
			seen := make(map[string]bool)
			for i, a := range cl.signAll(c.calls, accounts...) {
				res := as[rest.SignResult](t, a, http.StatusOK)
				checkECDSA(t, res)
				if want := fmt.Sprintf("%064x", i+1); res.AccountID != accounts[i%len(accounts)].ID || res.Digest != want {
					t.Errorf("call %d: account %s, digest %s", i, res.AccountID, res.Digest)
				}
				seen[res.SessionID] = true
			}
			if working, waiting := cl.c.engine.Queue(); len(seen) != c.calls || waiting != 0 {
				t.Errorf("%d sessions; %d at work and %d waiting after them", len(seen), working, waiting)
			}
		})
	}
}

// TestQueueOverflow: what there is no room for is refused at once, and may come again.
func TestQueueOverflow(t *testing.T) {
	t.Parallel()
	cl := newBusyCluster(t, func(c *Config) { c.MaxSessions, c.MaxQueue = 4, 8 })
	a := cl.account(`{"user_id":"u"}`)
	cl.net.all(script{hold: true})
	call := func(i int) answer {
		return cl.do(call{
			method: "POST", path: signPath(a.ID), body: fmt.Sprintf(`{"message":"%064x"}`, i+1), header: map[string]string{"Idempotency-Key": strconv.Itoa(i)},
		})
	}
	answers := make([]answer, 40)
	var calls sync.WaitGroup
	var refused atomic.Int32
	for i := range answers {
		calls.Go(func() {
			if answers[i] = call(i); answers[i].status == http.StatusTooManyRequests {
				refused.Add(1)
			}
		})
	}
	until(t, "28 calls are refused", func() bool { return refused.Load() == 28 })
	cl.net.all(script{})
	calls.Wait()
	for i, res := range answers {
		if res.status != http.StatusOK {
			problem(t, res, http.StatusTooManyRequests, "too_many_sessions")
			if after, err := strconv.Atoi(res.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
				t.Errorf("Retry-After %q", res.header.Get("Retry-After"))
			}
			res = call(i) // the refused call has not used its key up
		}
		checkECDSA(t, as[rest.SignResult](t, res, http.StatusOK))
	}
}
