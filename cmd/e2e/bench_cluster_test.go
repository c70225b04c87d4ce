package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// benchStock is how many sets of pre-parameters each party of the benchmarks' cluster keeps.
const benchStock = 4

// warmConnections keeps a connection for each of many clients.
func warmConnections() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
}

func benchCluster(b *testing.B) *cluster.Cluster {
	b.Helper()
	clusters.Lock()
	defer clusters.Unlock()
	c := clusters.by[benchTransport]
	if c == nil {
		var err error
		c, err = cluster.Start(waiting(b), cluster.Config{
			Dir: filepath.Join(clusters.dir, "bench"), PreParams: benchStock,
			Client: warmConnections(), Profiles: os.Getenv(profileVariable) != "",
		})
		if err != nil {
			b.Fatalf("start the cluster: %v", err)
		}
		clusters.by[benchTransport] = c
	}
	return c
}

// benchTransport is the place of the benchmarks' cluster among those that are shared.
const benchTransport cluster.Transport = "bench"

// settle waits until every party has its stock of pre-parameters, so that their making
// does not disturb what is measured.
func settle(b *testing.B, c *cluster.Cluster) {
	b.Helper()
	ctx := waiting(b)
	err := cluster.Poll(ctx, func() (bool, error) {
		pool, err := c.API.Pool(ctx)
		if err != nil {
			return false, err
		}
		full := 0
		for _, p := range pool {
			if p.State == "live" && p.Stock >= benchStock {
				full++
			}
		}
		return full == 3, nil
	})
	if err != nil {
		b.Fatalf("wait for the pre-parameters: %v", err)
	}
}

// warmUp signs a few times, so that connections are open and the signers have met.
func warmUp(b *testing.B, c *cluster.Cluster, account cluster.Account) {
	b.Helper()
	for range 5 {
		mustSign(b, c, account)
	}
}
