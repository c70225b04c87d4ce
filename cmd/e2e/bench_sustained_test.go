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

// sustain is how long the sustained load lasts; -short makes it a sixth.
var sustain = flag.Duration("sustain", time.Minute, "how long BenchmarkSustained signs")

// sustainedClients sign at the same time, each one again and again.
const sustainedClients = 16

// BenchmarkSustained measures how many signatures a second 16 clients get for as
// long as -sustain says. Each client verifies its signatures in between. One account, so that
// nothing is spread.
func BenchmarkSustained(b *testing.B) {
	b.Run("scheme=eddsa", func(b *testing.B) {
		m := &meter{b: b, c: benchCluster(b)}
		account := newAccount(b, m.c, cluster.EdDSA)
		settle(b, m.c)
		warmUp(b, m.c, account)
		for b.Loop() {
			m.part(func() { m.clients(account, *sustain) })
		}
		m.report()
		b.ReportMetric(float64(len(m.took))/m.length.Seconds(), "sigs/s")
	})
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
	var signed cluster.Signed
	err := m.op(func() (err error) {
		signed, err = m.c.API.Sign(ctx, account.ID, req)
		return err
	})
	if err != nil {
		return err
	}
	return verify(account, message, signed)
}
