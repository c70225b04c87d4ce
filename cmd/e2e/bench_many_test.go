package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// BenchmarkMany measures requests that all come at once: 64 for one account, 200 for
// many. All have to be answered with a signature. An op is one request, which waits for
// those before it; total-s is when the last one was answered.
func BenchmarkMany(b *testing.B) {
	for _, t := range []struct {
		name, scheme       string
		accounts, requests int
	}{
		{"eddsa", cluster.EdDSA, 1, 64},
		{"eddsa", cluster.EdDSA, 20, 200},
		{"ecdsa", cluster.ECDSA, 1, 64},
		{"ecdsa", cluster.ECDSA, 10, 200},
	} {
		b.Run(fmt.Sprintf("scheme=%s/accounts=%d/requests=%d", t.name, t.accounts, t.requests), func(b *testing.B) {
			c := benchCluster(b)
			m := &meter{b: b, c: c}
			accounts := make([]cluster.Account, sample(t.accounts, min(t.accounts, 2)))
			for i := range accounts {
				if t.scheme == cluster.ECDSA {
					accounts[i] = coldAccount(b, c)
				} else {
					accounts[i] = newAccount(b, c, t.scheme)
				}
			}
			for b.Loop() {
				settle(b, c)
				m.part(func() { m.atOnce(accounts, sample(t.requests, 8)) })
			}
			m.report()
			b.ReportMetric(m.length.Seconds(), "total-s")
			b.ReportMetric(quantile(m.took, 1)/1000, "slowest-s")
			b.ReportMetric(float64(len(m.took))/m.length.Seconds(), "sigs/s")
		})
	}
}

// atOnce sends n requests at the same moment, to the accounts in turn.
func (m *meter) atOnce(accounts []cluster.Account, n int) {
	m.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), longPatience)
	defer cancel()
	errs := make([]error, n)
	start := make(chan struct{})
	var work sync.WaitGroup
	for i := range n {
		work.Go(func() {
			<-start
			errs[i] = m.sign(ctx, accounts[i%len(accounts)])
		})
	}
	close(start)
	work.Wait()
	failed := 0
	var last error
	for _, err := range errs {
		if err != nil {
			failed, last = failed+1, err
		}
	}
	if failed > 0 {
		m.b.Fatalf("%d of %d requests got no signature; the last one: %v", failed, n, last)
	}
}
