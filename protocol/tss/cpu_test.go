//go:build unix

package tss_test

import (
	"syscall"
	"testing"
	"time"
)

// cpuMeter adds the CPU time of the whole process, which is what a ceremony costs
// however many cores run it, to a benchmark as cpu-ms/op.
type cpuMeter struct {
	b     *testing.B
	since time.Duration
	total time.Duration
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func measureCPU(b *testing.B) *cpuMeter {
	b.Helper()
	return &cpuMeter{b: b, since: cpuTime(b)}
}

// pause leaves what f does out of the time and the CPU time.
func (m *cpuMeter) pause(f func()) {
	m.b.StopTimer()
	m.total += cpuTime(m.b) - m.since
	f()
	m.since = cpuTime(m.b)
	m.b.StartTimer()
}

// report ends the measurement.
func (m *cpuMeter) report(ops int) {
	m.total += cpuTime(m.b) - m.since
	m.b.ReportMetric(m.total.Seconds()*1000/float64(ops), "cpu-ms/op")
}
