package e2e

import (
	"context"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// The benchmarks go through the HTTP API to real processes: one bootstrap node,
// three parties, one coordinator. Every operation signs a message of its own,
// and every signature is verified, which costs the client 0.1 ms. Besides ns/op
// they report cpu-ms/op: CPU of the five processes together, refills included.

// BenchmarkSign measures one client that signs again and again.
func BenchmarkSign(b *testing.B) {
	for _, scheme := range []string{cluster.ECDSA, cluster.EdDSA} {
		b.Run("scheme="+scheme, func(b *testing.B) {
			c := shared(b, cluster.QUIC)
			account := newAccount(b, c, scheme)
			quiet(b, c)
			measure(b, c, func(ctx context.Context) error {
				_, err := sign(ctx, c, account)
				return err
			})
		})
	}
}

// BenchmarkKeygen measures making an account, with pre-parameters in stock and
// their refill outside the clock.
func BenchmarkKeygen(b *testing.B) {
	for _, scheme := range []string{cluster.ECDSA, cluster.EdDSA} {
		b.Run("scheme="+scheme, func(b *testing.B) {
			c := shared(b, cluster.QUIC)
			measure(b, c, func(ctx context.Context) error {
				b.StopTimer()
				quiet(b, c)
				b.StartTimer()
				_, err := c.API.CreateAccount(ctx, cluster.AccountRequest{UserID: "bench", Scheme: scheme})
				return err
			})
		})
	}
}

// BenchmarkStart measures five cold processes from nothing to a ready network.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		c, err := cluster.Prepare(b.Context(), cluster.Config{Dir: b.TempDir(), PreParams: -1})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		err = c.Start(b.Context())
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// measure runs an operation for the benchmark's time.
func measure(b *testing.B, c *cluster.Cluster, operation func(context.Context) error) {
	ctx := context.Background()
	before, err := c.CPU()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := operation(ctx); err != nil {
			b.Fatal(err)
		}
	}
	after, err := c.CPU()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((after-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// quiet waits until every party has its stock of pre-parameters, so that their
// making does not disturb what is measured.
func quiet(b *testing.B, c *cluster.Cluster) {
	b.Helper()
	ctx := waiting(b)
	err := cluster.Poll(ctx, func() (bool, error) {
		pool, err := c.API.Pool(ctx)
		if err != nil {
			return false, err
		}
		for _, p := range pool {
			if p.Stock < 1 {
				return false, nil
			}
		}
		return len(pool) == 3, nil
	})
	if err != nil {
		b.Fatalf("wait for the pre-parameters: %v", err)
	}
}
