package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// BenchmarkFilling measures one client that thinks between its requests, which leaves
// the parties time to fill pools: pre-parameters without end, and the presignatures of
// another account. Cold ECDSA is compared with the same client while nothing is filled.
func BenchmarkFilling(b *testing.B) {
	b.Run("scheme=ecdsa/pool=cold", func(b *testing.B) {
		c := benchCluster(b)
		benchFilling(b, c, coldAccount(b, c), sample(30, 3))
	})
	b.Run("scheme=ecdsa/pool=warm", func(b *testing.B) {
		c := benchCluster(b)
		m := &meter{b: b, c: c}
		account, n := newAccount(b, c, cluster.ECDSA), sample(60, 3)
		for b.Loop() {
			setPresign(b, c, account, n+n/4+1) // some are used before
			whileFilling(b, c, func() {
				warmUp(b, c, account)
				stocked(b, c, account, n)
				m.filling(func() { m.thinking(account, n) })
			})
			setPresign(b, c, account, 0)
		}
		m.report()
		m.reportPresigned()
	})
	b.Run("scheme=eddsa", func(b *testing.B) {
		c := benchCluster(b)
		benchFilling(b, c, newAccount(b, c, cluster.EdDSA), sample(100, 3))
	})
}

// benchFilling signs first while nothing is filled.
func benchFilling(b *testing.B, c *cluster.Cluster, account cluster.Account, n int) {
	b.Helper()
	idle, busy := &meter{b: b, c: c}, &meter{b: b, c: c}
	for b.Loop() {
		settle(b, c)
		warmUp(b, c, account)
		idle.thinking(account, n)
		whileFilling(b, c, func() {
			warmUp(b, c, account)
			busy.filling(func() { busy.thinking(account, n) })
		})
	}
	busy.report()
	b.ReportMetric(idle.p50(), "idle-p50-ms")
	b.ReportMetric(busy.p50()/idle.p50(), "x-idle")
}

// thinking signs n times, with pauses of 0.4 to 1.0 s: fillings wait for a quarter of a
// second without a session, and the pauses differ so that requests meet them anywhere.
func (m *meter) thinking(account cluster.Account, n int) {
	m.b.Helper()
	m.part(func() {
		for i := range n {
			pause(context.Background(), 400*time.Millisecond+time.Duration(i*137%600)*time.Millisecond)
			m.inTurn(account, 1)
		}
	})
}

// endlessStock is more pre-parameters than parties make while a benchmark runs.
const endlessStock = 1000

// whileFilling runs f while pools fill, and lets the parties come to rest.
func whileFilling(b *testing.B, c *cluster.Cluster, f func()) {
	b.Helper()
	other := coldAccount(b, c)
	restartParties(b, c, endlessStock)
	setPresign(b, c, other, 256)
	f()
	setPresign(b, c, other, 0)
	restartParties(b, c, benchStock)
}

// filling tells what f, which measures, leaves time to make.
func (m *meter) filling(f func()) {
	m.b.Helper()
	sets, held := made(m.b, m.c)
	f()
	setsAfter, heldAfter := made(m.b, m.c)
	sets = setsAfter - sets
	held = (heldAfter-held)/2 + m.presigned() // two members have each; those that were used are gone
	m.b.ReportMetric(float64(sets), "preparams-made")
	m.b.ReportMetric(float64(held), "presigs-made")
	if sets <= 0 && held <= 0 && !testing.Short() {
		m.b.Error("nothing was made meanwhile: what was measured are idle pools")
	}
}

// made counts what is in all parties' pools.
func made(b *testing.B, c *cluster.Cluster) (sets, presignatures int) {
	b.Helper()
	pool, err := c.API.Pool(waiting(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range pool {
		sets, presignatures = sets+p.Stock, presignatures+p.Held
	}
	return sets, presignatures
}

// restartParties starts the parties again with another size of their stock.
func restartParties(b *testing.B, c *cluster.Cluster, stock int) {
	b.Helper()
	ctx := waiting(b)
	for _, p := range c.Parties() {
		if err := p.Stop(ctx); err != nil {
			b.Fatal(err)
		}
		p.Set("preparams", stock)
		if err := p.Start(ctx); err != nil {
			b.Fatal(fmt.Errorf("restart %s: %w", p.Name, err))
		}
	}
	if err := c.WaitLive(ctx, 3); err != nil {
		b.Fatal(err)
	}
}
