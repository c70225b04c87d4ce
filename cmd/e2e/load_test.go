package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// An open-loop load: calls are made when their time has come, whether or not
// earlier ones have been answered, and a call's latency counts from that time.
// So a system that stalls cannot hide it by slowing its callers down.
const (
	statusReads   = 2000 // a second
	accountLists  = 200  // a second
	loadAccounts  = 100
	loadCallers   = 256 // connections
	loadTickEvery = 5 * time.Millisecond
)

// latencies collects how long calls took.
type latencies struct {
	mu     sync.Mutex
	took   []time.Duration
	failed int
	last   string
}

func (l *latencies) add(d time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, d)
	if err != nil {
		l.failed, l.last = l.failed+1, err.Error()
	}
}

// report adds the metrics of a kind of call.
func (l *latencies) report(b *testing.B, name string, length time.Duration) {
	b.Helper()
	slices.Sort(l.took)
	at := func(q float64) float64 {
		return l.took[min(int(q*float64(len(l.took))), len(l.took)-1)].Seconds() * 1000
	}
	if l.failed > 0 {
		b.Errorf("%s: %d of %d calls failed: %s", name, l.failed, len(l.took), l.last)
	}
	b.ReportMetric(float64(len(l.took))/length.Seconds(), name+"/s")
	b.ReportMetric(at(0.5), name+"-p50-ms")
	b.ReportMetric(at(0.99), name+"-p99-ms")
}

// BenchmarkReadsDuringKeygen offers 2,000 status reads and 200 account lists a
// second while ECDSA keys are being made, one after the other. An op is one
// keygen. The machine also runs the load generator and all parties, which in
// production have hosts of their own: nice=10 lets the coordinator go first, as a
// party's rounds keep every core busy with several threads.
func BenchmarkReadsDuringKeygen(b *testing.B) {
	for _, nice := range []int{0, 10} {
		b.Run(fmt.Sprintf("nice=%d", nice), func(b *testing.B) {
			c, err := cluster.Start(b.Context(), cluster.Config{Dir: filepath.Join(b.TempDir(), "c"), PreParams: 1, Nice: nice})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := c.Close(); err != nil {
					b.Error(err)
				}
			}()
			load(b, c)
		})
	}
}

func load(b *testing.B, c *cluster.Cluster) {
	b.Helper()
	ids := make([]string, loadAccounts)
	for i := range ids {
		ids[i] = newAccount(b, c, cluster.EdDSA).ID
	}
	session := newAccount(b, c, cluster.EdDSA).Session
	settleAt(b, c, 1)
	ctx, stop := context.WithCancel(b.Context())
	reads, lists := &latencies{}, &latencies{}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadCallers, MaxConnsPerHost: loadCallers}}
	var work sync.WaitGroup
	began := time.Now()
	work.Go(func() { offer(ctx, statusReads, reads, get(client, c, "/api/v1/sessions/"+session)) })
	work.Go(func() { offer(ctx, accountLists, lists, get(client, c, "/api/v1/accounts?limit=50")) })
	for b.Loop() {
		if _, err := c.API.CreateAccount(b.Context(), cluster.AccountRequest{UserID: "load", Scheme: cluster.ECDSA}); err != nil {
			b.Fatal(err)
		}
	}
	length := time.Since(began)
	stop()
	work.Wait()
	reads.report(b, "reads", length)
	lists.report(b, "lists", length)
}

// offer makes rate calls a second until ctx ends, and waits for their answers.
func offer(ctx context.Context, rate int, l *latencies, call func() error) {
	tick := time.NewTicker(loadTickEvery)
	defer tick.Stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	began := time.Now()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due := int(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			at := began.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
			calls.Go(func() {
				err := call()
				l.add(time.Since(at), err)
			})
		}
	}
}

// get returns a call of one route.
func get(client *http.Client, c *cluster.Cluster, path string) func() error {
	return func() error {
		req, err := http.NewRequest(http.MethodGet, c.API.URL+path, nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-API-Key", c.API.Key)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	}
}
