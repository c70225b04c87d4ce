package e2e

import (
	"context"
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
	m.b.ReportMetric(float64(m.presigned())/float64(len(m.sessions)), "presigned/op")
}

// presigned counts the signatures that used a presignature.
func (m *meter) presigned() int {
	m.b.Helper()
	n := 0
	for _, id := range m.sessions {
		s, err := m.c.API.Session(waiting(m.b), id)
		if err != nil {
			m.b.Fatal(err)
		}
		if s.Presigned {
			n++
		}
	}
	return n
}
