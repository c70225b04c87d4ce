package e2e

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// BenchmarkMemory measures what a party needs.
func BenchmarkMemory(b *testing.B) {
	b.Run("party=idle", func(b *testing.B) {
		c := apartCluster(b)
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

// apartCluster returns a cluster whose parties share no page of the program with each
// other, as if each were on its own host.
func apartCluster(b *testing.B) *cluster.Cluster {
	b.Helper()
	c, err := cluster.Prepare(waiting(b), cluster.Config{
		Dir: filepath.Join(b.TempDir(), "c"), PreParams: benchStock, Profiles: true, Client: warmConnections(),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	for _, p := range c.Parties() {
		if err := p.OwnBinary(b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Start(waiting(b)); err != nil {
		b.Fatal(err)
	}
	return c
}

// reportIdle tells the memory of the largest party, supervisor and worker, with a key
// and a full stock of pre-parameters, when it does not shrink any more.
func reportIdle(b *testing.B, c *cluster.Cluster) {
	b.Helper()
	heaps, used := memory(b, c)
	var both, pss, supervisor, own, worker, heap int64
	for name, u := range used {
		both, pss = max(both, u.worker.Resident+u.supervisor.Private), max(pss, u.worker.Proportional+u.supervisor.Proportional)
		supervisor, own = max(supervisor, u.supervisor.Resident), max(own, u.supervisor.Private)
		worker, heap = max(worker, u.worker.Resident), max(heap, heaps[name])
	}
	b.ReportMetric(megabytes(both), "party-MB")
	b.ReportMetric(megabytes(pss), "party-pss-MB")
	b.ReportMetric(megabytes(worker), "worker-rss-MB")
	b.ReportMetric(megabytes(supervisor), "supervisor-rss-MB")
	b.ReportMetric(megabytes(own), "supervisor-own-MB")
	b.ReportMetric(megabytes(heap), "worker-heap-MB")
}

// used is what the two processes of a party have in memory.
type used struct{ supervisor, worker cluster.Memory }

// memory returns the live heap of the parties' workers, after a garbage collection, and what
// both of their processes have in memory, when that has shrunk for the last time, by name. A
// worker gives back what it does not need when it has been idle for 40 s.
func memory(b *testing.B, c *cluster.Cluster) (heaps map[string]int64, uses map[string]used) {
	b.Helper()
	heaps, uses = map[string]int64{}, map[string]used{}
	for _, p := range c.Parties() {
		heap, err := p.Heap(waiting(b))
		if err != nil {
			b.Fatal(err)
		}
		heaps[p.Name] = heap
	}
	steady, since := time.Duration(sample(45, 1))*time.Second, time.Now()
	least := map[string]int64{}
	await(b, "steady memory", func(context.Context) (bool, error) {
		for _, p := range c.Parties() {
			s, w, err := p.Memory()
			if err != nil {
				return false, err
			}
			if before, ok := least[p.Name]; !ok || w.Resident < before-before/100 {
				least[p.Name], since = w.Resident, time.Now()
			}
			uses[p.Name] = used{s, w}
		}
		return time.Since(since) > steady, nil
	})
	return heaps, uses
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
			rss = max(rss, float64(residentAfter[p.Name].worker.Resident-resident[p.Name].worker.Resident)/float64(p.Held))
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
