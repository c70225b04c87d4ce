package e2e

import (
	"context"
	"encoding/hex"
	"flag"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// sustain is how long the sustained load lasts.
var sustain = flag.Duration("sustain", time.Minute, "how long BenchmarkSustained signs")

// sustainedClients sign at the same time, each one again and again.
const sustainedClients = 16

// BenchmarkSustained measures how many signatures a second 16 clients get for as
// long as -sustain says, from one account; ECDSA has no presignatures. Each client
// verifies each signature before it asks for the next one. The floor is what all cores
// can compute, measured before and after.
func BenchmarkSustained(b *testing.B) {
	b.Run("scheme=eddsa", func(b *testing.B) {
		c := benchCluster(b)
		benchSustained(b, c, newAccount(b, c, cluster.EdDSA))
	})
	b.Run("scheme=ecdsa", func(b *testing.B) {
		c := benchCluster(b)
		benchSustained(b, c, coldAccount(b, c))
	})
}

func benchSustained(b *testing.B, c *cluster.Cluster, account cluster.Account) {
	b.Helper()
	f, m := startFloor(b), &meter{b: b, c: c}
	settle(b, c)
	warmUp(b, c, account)
	var rates []float64
	floor := func() {
		rate, err := f.Rate(account.Scheme, *sustain/3)
		if err != nil {
			b.Fatal(err)
		}
		rates = append(rates, rate)
	}
	for b.Loop() {
		floor()
		m.part(func() { m.clients(account, *sustain) })
		floor()
	}
	m.report()
	rate := float64(len(m.took)) / m.length.Seconds()
	b.ReportMetric(rate, "sigs/s")
	b.ReportMetric(mean(rates), "floor-sigs/s")
	b.ReportMetric(rate/mean(rates), "x-floor-rate")
}

// clients lets 16 clients sign for a while. A signature that fails ends the benchmark.
func (m *meter) clients(account cluster.Account, length time.Duration) {
	m.b.Helper()
	ctx, fail := context.WithCancelCause(context.Background())
	defer fail(nil)
	end := time.Now().Add(length)
	var work sync.WaitGroup
	for range sustainedClients {
		work.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
				if err := m.sign(ctx, account); err != nil {
					fail(err)
				}
			}
		})
	}
	work.Wait()
	if err := context.Cause(ctx); err != nil {
		m.b.Fatal(err)
	}
}

// sign measures one signature, and verifies it afterwards.
func (m *meter) sign(ctx context.Context, account cluster.Account) error {
	message := randomMessage()
	req := cluster.SignRequest{Message: hex.EncodeToString(message)}
	began := time.Now()
	signed, err := m.c.API.Sign(ctx, account.ID, req)
	took := time.Since(began)
	if err != nil {
		return err
	}
	m.add(took, signed.Session)
	return verify(account, message, signed)
}
