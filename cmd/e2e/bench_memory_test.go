package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// BenchmarkMemory measures what a party needs.
func BenchmarkMemory(b *testing.B) {
	b.Run("party=idle", func(b *testing.B) {
		c := ownCluster(b, cluster.Config{PreParams: benchStock, Profiles: true})
		settle(b, c)
		newAccount(b, c, cluster.ECDSA)
		settle(b, c)
		for b.Loop() {
			reportIdle(b, c)
			b.ReportMetric(0, "ns/op") // says nothing
		}
	})
	b.Run("presignature", func(b *testing.B) {
		c := ownCluster(b, cluster.Config{PreParams: benchStock, Profiles: true})
		account, n := coldAccount(b, c), sample(256, 4)
		warmUp(b, c, account)
		settle(b, c)
		for b.Loop() {
			reportPresignature(b, c, account, n)
			b.ReportMetric(0, "ns/op") // says nothing
		}
	})
}

// reportIdle tells the memory of the largest party, with a key and a full stock of
// pre-parameters, when it does not shrink any more after a garbage collection.
func reportIdle(b *testing.B, c *cluster.Cluster) {
	b.Helper()
	var supervisor, worker, heap int64
	for _, p := range c.Parties() {
		h, err := p.Heap(waiting(b)) // collects garbage
		if err != nil {
			b.Fatal(err)
		}
		s, w := settledRSS(b, p)
		supervisor, worker, heap = max(supervisor, s), max(worker, w), max(heap, h)
	}
	b.ReportMetric(megabytes(worker), "party-rss-MB")
	b.ReportMetric(megabytes(supervisor), "supervisor-rss-MB")
	b.ReportMetric(megabytes(heap), "party-heap-MB")
}

// settledRSS waits until the runtime has given back what it does not need: its
// scavenger takes its time.
func settledRSS(b *testing.B, p *cluster.Process) (supervisor, worker int64) {
	b.Helper()
	steady := time.Duration(sample(10, 1)) * time.Second
	least, since := int64(1)<<62, time.Now()
	await(b, "steady memory", func(context.Context) (bool, error) {
		var err error
		if supervisor, worker, err = p.RSS(); worker < least-least/100 {
			least, since = worker, time.Now()
		}
		return time.Since(since) > steady, err
	})
	return supervisor, worker
}

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }

// reportPresignature fills an account's pool and tells what a presignature costs
// each of the parties that hold it: live heap, and resident memory.
func reportPresignature(b *testing.B, c *cluster.Cluster, account cluster.Account, n int) {
	b.Helper()
	heaps, resident := memory(b, c)
	setPresign(b, c, account, n)
	stocked(b, c, account, n)
	heapsAfter, residentAfter := memory(b, c)
	pool, err := c.API.Pool(waiting(b))
	if err != nil {
		b.Fatal(err)
	}
	var heap, rss, held float64
	for _, p := range pool {
		if p.Held >= n*3/4 { // the others hold none
			heap = max(heap, float64(heapsAfter[p.Name]-heaps[p.Name])/float64(p.Held))
			rss = max(rss, float64(residentAfter[p.Name]-resident[p.Name])/float64(p.Held))
			held = max(held, float64(p.Held))
		}
	}
	if held == 0 {
		b.Fatalf("no party says that it holds %d presignatures", n)
	}
	b.ReportMetric(heap/1024, "heap-KB/presig")
	b.ReportMetric(rss/1024, "rss-KB/presig")
	b.ReportMetric(held, "held")
}

// memory returns live heap and settled resident memory of the parties' workers, by name.
func memory(b *testing.B, c *cluster.Cluster) (heaps, resident map[string]int64) {
	b.Helper()
	heaps, resident = map[string]int64{}, map[string]int64{}
	for _, p := range c.Parties() {
		heap, err := p.Heap(waiting(b))
		if err != nil {
			b.Fatal(err)
		}
		_, worker := settledRSS(b, p)
		heaps[p.Name], resident[p.Name] = heap, worker
	}
	return heaps, resident
}
