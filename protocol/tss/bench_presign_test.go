//go:build unix

package tss_test

import (
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// presignThresholds are those of the keys that the benchmarks of presigning use.
var presignThresholds = []protocol.Threshold{{T: 2, N: 3}, {T: 3, N: 5}}

// BenchmarkPresign measures the rounds that need no message, all signers together, beside the
// library's whole signing of a 2-of-3 key, and what one held presignature keeps in memory.
func BenchmarkPresign(b *testing.B) {
	b.Run("2-of-3/floor", func(b *testing.B) { benchFloorSign(b, presignThresholds[0]) })
	for _, th := range presignThresholds {
		b.Run(th.String(), func(b *testing.B) {
			k, signers := newKey(b, protocol.ECDSA, th), protocoltest.Members(th.N)[:th.T]
			memory := heldMemory(b, k, signers, 2)
			bench(b, func(_ *cpuMeter, i int) { presign(b, k, signers, sid("bench presign %v %d", th, i)) })
			b.ReportMetric(float64(memory), "B/held")
		})
	}
}

// BenchmarkBound measures what is left when a digest comes, rounds 4 to 9 at all signers together,
// beside the library's whole signing of a 2-of-3 key.
func BenchmarkBound(b *testing.B) {
	b.Run("2-of-3/floor", func(b *testing.B) { benchFloorSign(b, presignThresholds[0]) })
	for _, th := range presignThresholds {
		b.Run(th.String(), func(b *testing.B) {
			k, signers := newKey(b, protocol.ECDSA, th), protocoltest.Members(th.N)[:th.T]
			var wall, cpu time.Duration
			n := 0
			for b.Loop() {
				for range boundSamples {
					held := presign(b, k, signers, sid("bench bound %v %d", th, n))
					d := digest("bench bound %v %d", th, n)
					start, before := time.Now(), cpuTime(b)
					results, _, err := protocoltest.Run(bind(b, held, signers, d), protocoltest.Options{})
					wall, cpu = wall+time.Since(start), cpu+cpuTime(b)-before
					if err != nil {
						b.Fatal(err)
					}
					verify(b, k.public, d, results[signers[0].Peer])
					n++
				}
			}
			b.ReportMetric(float64(wall)/float64(n), "ns/op")
			b.ReportMetric(cpu.Seconds()*1000/float64(n), "cpu-ms/op")
		})
	}
}

// boundSamples: an iteration of BenchmarkBound counts what it prepares, or a benchmark of a second
// would take minutes; what it reports is rounds 4 to 9 of one signing.
const boundSamples = 16

// benchFloorSign signs with the library alone.
func benchFloorSign(b *testing.B, th protocol.Threshold) {
	b.Helper()
	keys := floorECDSAKeygen(b, th.T, protocoltest.PreParams(b, th.N))
	bench(b, func(m *cpuMeter, i int) {
		d := digest("floor %v %d", th, i)
		sig := floorECDSASign(b, keys[:th.T], d)
		m.pause(func() { verifyFloorECDSA(b, keys[0], d, sig) })
	})
}
