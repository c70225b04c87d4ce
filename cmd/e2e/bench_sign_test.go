package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// BenchmarkSign measures one client that signs again and again, while nothing else
// happens. ECDSA is cold without presignatures, and warm with one for each signature,
// made before.
func BenchmarkSign(b *testing.B) {
	b.Run("scheme=eddsa", func(b *testing.B) {
		c := benchCluster(b)
		benchAlone(b, c, newAccount(b, c, cluster.EdDSA), sample(500, 10))
	})
	b.Run("scheme=ecdsa/pool=cold", func(b *testing.B) {
		c := benchCluster(b)
		benchAlone(b, c, coldAccount(b, c), sample(5, 1))
	})
	b.Run("scheme=ecdsa/pool=warm", benchWarm)
}

// benchAlone signs in blocks, between which the floor signs as often: what disturbs the
// machine disturbs both.
func benchAlone(b *testing.B, c *cluster.Cluster, account cluster.Account, block int) {
	b.Helper()
	f, m := startFloor(b), &meter{b: b, c: c}
	var floor []time.Duration
	ask := func(n int) {
		took, err := f.Sign(account.Scheme, n)
		if err != nil {
			b.Fatal(err)
		}
		floor = append(floor, took...)
	}
	ask(1) // makes its key
	floor = nil
	settle(b, c)
	warmUp(b, c, account)
	for b.Loop() {
		for range sample(8, 2) {
			ask(block)
			m.part(func() { m.inTurn(account, block) })
		}
	}
	m.report()
	b.ReportMetric(quantile(floor, 0.5), "floor-p50-ms")
	b.ReportMetric(m.p50()/quantile(floor, 0.5), "x-floor")
}

// inTurn signs n times, one after the other.
func (m *meter) inTurn(account cluster.Account, n int) {
	m.b.Helper()
	for range n {
		if err := m.sign(context.Background(), account); err != nil {
			m.b.Fatal(err)
		}
	}
}

// benchWarm fills the account's pool, signs until it is empty, and again. Nothing
// is filled meanwhile: a client that signs again at once leaves no time to.
func benchWarm(b *testing.B) {
	c := benchCluster(b)
	warm, cold := &meter{b: b, c: c}, &meter{b: b, c: c}
	account, without := newAccount(b, c, cluster.ECDSA), coldAccount(b, c)
	stock := sample(32, 4)
	setPresign(b, c, account, stock)
	for b.Loop() {
		for range sample(7, 1) {
			settle(b, c)
			stocked(b, c, account, stock)
			warm.part(func() { warm.inTurn(account, stock) })
			for range 4 {
				cold.inTurn(without, 1)
			}
		}
	}
	setPresign(b, c, account, 0)
	warm.report()
	warm.reportPresigned()
	b.ReportMetric(cold.p50(), "cold-p50-ms")
	b.ReportMetric(cold.p50()/warm.p50(), "x-cold")
}

// reportPresigned tells how many of the signatures used a presignature; 1 means all.
func (m *meter) reportPresigned() {
	m.b.Helper()
	presigned := 0
	for _, id := range m.sessions {
		s, err := m.c.API.Session(waiting(m.b), id)
		if err != nil {
			m.b.Fatal(err)
		}
		if s.Presigned {
			presigned++
		}
	}
	m.b.ReportMetric(float64(presigned)/float64(len(m.sessions)), "presigned/op")
}

// BenchmarkFilling measures one client that thinks between its requests, which leaves
// the parties time to fill pools: pre-parameters without end, and the presignatures of
// another account. Cold ECDSA is compared with the same client while nothing is filled.
func BenchmarkFilling(b *testing.B) {
	b.Run("scheme=ecdsa/pool=cold", func(b *testing.B) {
		c := benchCluster(b)
		idle, busy := &meter{b: b, c: c}, &meter{b: b, c: c}
		account, n := coldAccount(b, c), sample(30, 3)
		for b.Loop() {
			settle(b, c)
			warmUp(b, c, account)
			idle.thinking(account, n)
			whileFilling(b, c, func() { busy.thinking(account, n) })
		}
		busy.report()
		b.ReportMetric(idle.p50(), "idle-p50-ms")
		b.ReportMetric(busy.p50()/idle.p50(), "x-idle")
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
				m.thinking(account, n)
			})
			setPresign(b, c, account, 0)
		}
		m.report()
		m.reportPresigned()
	})
	b.Run("scheme=eddsa", func(b *testing.B) {
		c := benchCluster(b)
		idle, busy := &meter{b: b, c: c}, &meter{b: b, c: c}
		account, n := newAccount(b, c, cluster.EdDSA), sample(100, 3)
		for b.Loop() {
			settle(b, c)
			warmUp(b, c, account)
			idle.thinking(account, n)
			whileFilling(b, c, func() { busy.thinking(account, n) })
		}
		busy.report()
		b.ReportMetric(idle.p50(), "idle-p50-ms")
		b.ReportMetric(busy.p50()/idle.p50(), "x-idle")
	})
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

// whileFilling runs f while pools fill, tells what was put into them, and lets the
// parties come to rest.
func whileFilling(b *testing.B, c *cluster.Cluster, f func()) {
	b.Helper()
	other := coldAccount(b, c)
	restartParties(b, c, endlessStock)
	setPresign(b, c, other, 256)
	sets, held := made(b, c)
	f()
	setsAfter, heldAfter := made(b, c)
	b.ReportMetric(float64(setsAfter-sets), "preparams-made")
	b.ReportMetric(float64(heldAfter-held)/2, "presigs-made") // by two members each
	if setsAfter <= sets && heldAfter <= held {
		b.Error("nothing was filled meanwhile: what was measured is an idle pool")
	}
	setPresign(b, c, other, 0)
	restartParties(b, c, benchStock)
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
