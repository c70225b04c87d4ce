package e2e

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/cmd/e2e/cluster"
)

// profileVariable names a folder: for each benchmark a CPU profile of each process,
// this one included, is written to it, of what is measured only.
const profileVariable = "PROFILE"

// meter collects what a benchmark measures. Its loop is the benchmark's own: one
// iteration of b.Loop is a whole sample of many operations, most of them after
// waits that do not count.
type meter struct {
	b *testing.B
	c *cluster.Cluster

	mu       sync.Mutex
	took     []time.Duration
	sessions []string // of the signatures

	parts  int
	length time.Duration // of all parts
	cpu    time.Duration // of the cluster's processes, in the parts
	client time.Duration // of this process
}

// part measures what f does: CPU of all processes, and their profiles.
func (m *meter) part(f func()) {
	m.b.Helper()
	m.parts++
	stop := m.profile()
	cpu, err := m.c.CPU()
	if err != nil {
		m.b.Fatal(err)
	}
	client, began := ownCPU(m.b), time.Now()
	f()
	m.length += time.Since(began)
	m.client += ownCPU(m.b) - client
	after, err := m.c.CPU()
	if err != nil {
		m.b.Fatal(err)
	}
	m.cpu += after - cpu
	stop()
}

// add notes the latency of an operation, and its session.
func (m *meter) add(d time.Duration, session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took, m.sessions = append(m.took, d), append(m.sessions, session)
}

// p50 returns the median in milliseconds.
func (m *meter) p50() float64 { return quantile(m.took, 0.5) }

// report adds what was measured to the benchmark's line.
func (m *meter) report() {
	m.reportLatency()
	n := float64(len(m.took))
	m.b.ReportMetric(milliseconds(m.cpu)/n, "cpu-ms/op")
	m.b.ReportMetric(milliseconds(m.client)/n, "client-cpu-ms/op")
}

func (m *meter) reportLatency() {
	n := len(m.took)
	if n == 0 {
		m.b.Fatal("nothing was measured")
	}
	//lint:ignore SA3001 b.Loop, which is over, has counted samples: the line is to say how many operations
	m.b.N = n
	var sum time.Duration
	for _, d := range m.took {
		sum += d
	}
	m.b.ReportMetric(float64(sum.Nanoseconds())/float64(n), "ns/op")
	m.b.ReportMetric(m.p50(), "p50-ms/op")
	m.b.ReportMetric(quantile(m.took, 0.95), "p95-ms/op")
	m.b.ReportMetric(quantile(m.took, 0.99), "p99-ms/op")
}

// quantile returns the nearest rank's value in milliseconds.
func quantile(took []time.Duration, q float64) float64 {
	if len(took) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(took))
	return milliseconds(sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)])
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ownCPU is what this process has used of all cores.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// profile begins profiles of all processes, if they are wanted. The folder of a
// benchmark has one folder a part: go tool pprof -top bin/mpcd DIR/*/p1.pb.gz adds
// them up.
func (m *meter) profile() (stop func()) {
	m.b.Helper()
	if os.Getenv(profileVariable) == "" {
		return func() {}
	}
	name := strings.NewReplacer("/", "_", "=", "-").Replace(m.b.Name())
	dir := filepath.Join(os.Getenv(profileVariable), name, fmt.Sprintf("%03d", m.parts))
	stopCluster, err := m.c.Profile(context.Background(), dir)
	if err != nil {
		m.b.Fatal(err)
	}
	own, err := os.Create(filepath.Join(dir, "client.pb.gz"))
	if err == nil {
		err = pprof.StartCPUProfile(own)
	}
	if err != nil {
		m.b.Fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := cmp.Or(own.Close(), stopCluster()); err != nil {
			m.b.Fatal(err)
		}
	}
}
