package e2e

import (
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// BenchmarkWorkerBack measures how long a party is away when its worker crashes, as a
// caller sees it: from the end of the worker to the next signature that cannot be had
// without that party, asked for from that moment on. The worker is killed again as soon
// as it has signed, as if somebody knew how to crash it and did so whenever possible.
func BenchmarkWorkerBack(b *testing.B) {
	c := ownCluster(b, cluster.Config{PreParams: benchStock})
	settle(b, c)
	account, err := c.API.CreateAccount(waiting(b), cluster.AccountRequest{UserID: "bench", Scheme: cluster.EdDSA})
	if err != nil {
		b.Fatal(err)
	}
	fixSigners(b, c, account, "p1", "p2")
	warmUp(b, c, account)
	m, p1 := &meter{b: b, c: c}, c.Process("p1")
	var ready, exp []time.Duration
	for b.Loop() {
		for range sample(40, 2) {
			exp = append(exp, yardstick())
			was := runFile(b, p1)
			began := time.Now()
			if err := syscall.Kill(was.WorkerPID, syscall.SIGKILL); err != nil {
				b.Fatal(err)
			}
			signWhenBack(b, c, account)
			m.add(time.Since(began), "")
			ready = append(ready, runSince(b, p1).Sub(began))
			if now := runFile(b, p1); now.Restarts != was.Restarts+1 {
				b.Fatalf("the worker of p1 was restarted %d times, and now %d times", was.Restarts, now.Restarts)
			}
		}
	}
	m.reportLatency()
	b.ReportMetric(quantile(ready, 0.5), "ready-p50-ms")
	b.ReportMetric(quantile(ready, 0.95), "ready-p95-ms")
	b.ReportMetric(quantile(exp, 0.5), "exp-ms")
}

// runSince returns when a daemon wrote its run.json: it listened then.
func runSince(b *testing.B, p *cluster.Process) time.Time {
	b.Helper()
	info, err := os.Stat(filepath.Join(p.DataDir, "run.json"))
	if err != nil {
		b.Fatal(err)
	}
	return info.ModTime()
}

// yardstick is how long a 2048-bit modular exponentiation takes at this moment, the
// same as in BenchmarkMachine of protocol/tss.
func yardstick() time.Duration {
	const bits, seed = 2048, 1
	random := rand.New(rand.NewPCG(seed, seed))
	number := func() *big.Int {
		words := make([]byte, bits/8)
		for i := range words {
			words[i] = byte(random.Uint32())
		}
		n := new(big.Int).SetBytes(words)
		return n.SetBit(n.SetBit(n, 0, 1), bits-1, 1)
	}
	x, e, m := number(), number(), number()
	began := time.Now()
	new(big.Int).Exp(x, e, m)
	return time.Since(began)
}
