package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// The benchmarks go through the HTTP API to real processes on loopback: one bootstrap
// node, three parties, one coordinator, with settings as they are by default. Every
// operation signs a message of its own over a connection that is open, and every
// signature is verified: after the clock of its latency, within that of a rate.
//
// ns/op is the mean latency; p50-ms/op and so on are quantiles of it. cpu-ms/op is what
// the five daemons used together while operations ran, client-cpu-ms/op what this
// process did. What is compared with something else (x-floor, x-cold, x-idle) was
// measured beside it in the same run.

// benchStock is how many sets of pre-parameters each party keeps: the daemon's default.
const benchStock = 8

// longPatience is how long a benchmark waits for its stock.
const longPatience = 20 * time.Minute

// sample is a sample's size, or a little of it with -short.
func sample(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

// warmConnections keeps a connection for each of many clients.
func warmConnections() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
}

// benchTransport is the place of the benchmarks' cluster among those that are shared.
const benchTransport cluster.Transport = "bench"

// benchCluster returns the cluster that benchmarks share.
func benchCluster(b *testing.B) *cluster.Cluster {
	b.Helper()
	clusters.Lock()
	defer clusters.Unlock()
	if c := clusters.by[benchTransport]; c != nil {
		return c
	}
	c := startCluster(b, cluster.Config{Dir: filepath.Join(clusters.dir, "bench"), PreParams: benchStock})
	clusters.by[benchTransport] = c
	return c
}

// ownCluster returns a cluster that ends with the benchmark.
func ownCluster(b *testing.B, cfg cluster.Config) *cluster.Cluster {
	b.Helper()
	cfg.Dir = filepath.Join(b.TempDir(), "c")
	c := startCluster(b, cfg)
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	return c
}

func startCluster(b *testing.B, cfg cluster.Config) *cluster.Cluster {
	b.Helper()
	cfg.Client = warmConnections()
	cfg.Profiles = cfg.Profiles || os.Getenv(profileVariable) != ""
	c, err := cluster.Start(waiting(b), cfg)
	if err != nil {
		b.Fatalf("start the cluster: %v", err)
	}
	return c
}

// theFloor is the floor that benchmarks share.
var theFloor *cluster.Floor

func startFloor(b *testing.B) *cluster.Floor {
	b.Helper()
	if theFloor == nil {
		var err error
		if theFloor, err = cluster.StartFloor(context.Background(), clusters.dir); err != nil {
			b.Fatal(err)
		}
	}
	return theFloor
}

// settle waits until every party has its stock of pre-parameters, so that their making
// does not disturb what is measured.
func settle(b *testing.B, c *cluster.Cluster) {
	b.Helper()
	settleAt(b, c, benchStock)
}

// settleAt waits for stocks of another size.
func settleAt(b *testing.B, c *cluster.Cluster, stock int) {
	b.Helper()
	await(b, "the pre-parameters", func(ctx context.Context) (bool, error) {
		pool, err := c.API.Pool(ctx)
		full := 0
		for _, p := range pool {
			if p.State == "live" && p.Stock >= stock {
				full++
			}
		}
		return full >= 3, err
	})
}

// await polls, but not so often that it costs anything.
func await(b *testing.B, what string, done func(context.Context) (bool, error)) {
	b.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), longPatience, fmt.Errorf("not there after %v", longPatience))
	defer cancel()
	for {
		ok, err := done(ctx)
		if err != nil {
			b.Fatalf("wait for %s: %v", what, err)
		}
		if ok {
			return
		}
		if !pause(ctx, awaitInterval) {
			b.Fatalf("wait for %s: %v", what, context.Cause(ctx))
		}
	}
}

const awaitInterval = 200 * time.Millisecond

// pause lets time pass: a client's, that thinks. It returns false when ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// warmUp signs a few times, so that connections are open and the signers have met.
func warmUp(b *testing.B, c *cluster.Cluster, account cluster.Account) {
	b.Helper()
	for range sample(5, 1) {
		mustSign(b, c, account)
	}
}

// stocked waits until an account has n presignatures.
func stocked(b *testing.B, c *cluster.Cluster, account cluster.Account, n int) {
	b.Helper()
	await(b, fmt.Sprintf("%d presignatures", n), func(ctx context.Context) (bool, error) {
		p, err := c.API.Presigning(ctx, account.ID)
		return p.Stock >= n, err
	})
}
