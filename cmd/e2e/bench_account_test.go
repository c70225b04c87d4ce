package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// BenchmarkAccount measures making a 2-of-3 account, with pre-parameters in stock,
// against the same key generation in one process, in turn.
func BenchmarkAccount(b *testing.B) {
	for _, scheme := range []string{cluster.ECDSA, cluster.EdDSA} {
		name, _, _ := strings.Cut(scheme, "-")
		b.Run("scheme="+name, func(b *testing.B) {
			c, f := benchCluster(b), startFloor(b)
			m := &meter{b: b, c: c}
			var floor []time.Duration
			for b.Loop() {
				for range sample(5, 1) {
					settle(b, c)
					took, err := f.Keygen(scheme, 1)
					if err != nil {
						b.Fatal(err)
					}
					floor = append(floor, took...)
					m.part(func() { m.account(scheme) })
				}
			}
			m.report()
			b.ReportMetric(quantile(floor, 0.5), "floor-p50-ms")
			b.ReportMetric(m.p50()/quantile(floor, 0.5), "x-floor")
		})
	}
}

// account makes an account.
func (m *meter) account(scheme string) {
	m.b.Helper()
	began := time.Now()
	account, err := m.c.API.CreateAccount(waiting(m.b), cluster.AccountRequest{UserID: "bench", Scheme: scheme})
	if err != nil {
		m.b.Fatal(err)
	}
	m.add(time.Since(began), account.Session)
}

// BenchmarkFreshParty measures a party with a new identity, from making that and its
// credential (enrolment: two runs of an operator's command) and the start of its process to being
// live in GET /parties.
func BenchmarkFreshParty(b *testing.B) {
	c := ownCluster(b, cluster.Config{PreParams: benchStock})
	settle(b, c)
	m := &meter{b: b, c: c}
	ctx := context.Background()
	for b.Loop() {
		for range sample(5, 1) {
			name := fmt.Sprintf("fresh%d", m.parts)
			live, err := c.API.Parties(ctx)
			if err != nil {
				b.Fatal(err)
			}
			m.parts++
			began := time.Now()
			p, err := c.AddParty(ctx, name)
			if err == nil {
				err = c.WaitLive(waiting(b), live+1)
			}
			if err != nil {
				b.Fatal(err)
			}
			m.add(time.Since(began), "")
			if err := p.Stop(waiting(b)); err != nil {
				b.Fatal(err)
			}
			if err := c.WaitLive(waiting(b), live); err != nil {
				b.Fatal(err)
			}
		}
	}
	m.reportLatency()
}

// BenchmarkFirstAccount measures five processes that have never run, from their start
// to the first ECDSA account: they make its pre-parameters too.
func BenchmarkFirstAccount(b *testing.B) {
	m := &meter{b: b}
	for b.Loop() {
		for i := range sample(3, 1) {
			m.add(firstAccount(b, i), "")
		}
	}
	m.reportLatency()
}

func firstAccount(b *testing.B, i int) time.Duration {
	b.Helper()
	c, err := cluster.Prepare(waiting(b), cluster.Config{Dir: filepath.Join(b.TempDir(), fmt.Sprintf("c%d", i)), PreParams: benchStock, Client: warmConnections()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	}()
	began := time.Now()
	if err := c.Start(waiting(b)); err != nil {
		b.Fatal(err)
	}
	if _, err := c.API.CreateAccount(waiting(b), cluster.AccountRequest{UserID: "first", Scheme: cluster.ECDSA}); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
