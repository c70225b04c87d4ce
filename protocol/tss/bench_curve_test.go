//go:build unix

package tss_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// BenchmarkEdDSA compares ceremonies on our Ed25519 curve and on the library's, in
// turns, by the CPU time of all parties: cpu-ms/op is ours, with our machine and guards
// around the library, stock-cpu-ms/op the same on the library's curve, and
// floor-cpu-ms/op the library alone on its own curve; x-less and x-less-floor are the
// ratios to ours.
func BenchmarkEdDSA(b *testing.B) {
	th := protocol.Threshold{T: 2, N: 3} // BenchmarkKeygen and BenchmarkSign have more
	b.Run(fmt.Sprintf("keygen/%v", th), func(b *testing.B) {
		ceremony := func(parties func() []protocoltest.Party) func(*spent, int) {
			return func(s *spent, _ int) {
				results := s.run(func() map[protocol.PeerID]*protocol.Result { return finish(b, parties()) })
				keyOf(b, th, results)
			}
		}
		compare(b, 30,
			ceremony(func() []protocoltest.Party { return keygenParties(b, protocol.EdDSA, th) }),
			ceremony(func() []protocoltest.Party { return stockKeygen(b, th) }),
			func(s *spent, _ int) {
				s.run(func() map[protocol.PeerID]*protocol.Result { floorEdDSAKeygen(b, th.T, th.N); return nil })
			})
	})
	b.Run(fmt.Sprintf("sign/%v", th), func(b *testing.B) {
		own := newKey(b, protocol.EdDSA, th)
		stock := &key{threshold: th, public: own.public, shares: map[protocol.PeerID]*tss.Share{}}
		for peer, share := range own.shares {
			stock.shares[peer] = tss.OnStockCurve(share)
		}
		signers := protocoltest.Members(th.N)[:th.T]
		ceremony := func(k *key) func(*spent, int) {
			return func(s *spent, i int) {
				d := digest("compare %d", i)
				results := s.run(func() map[protocol.PeerID]*protocol.Result {
					return finish(b, signParties(b, k, signers, sid("compare %d", i), d))
				})
				for _, r := range results {
					verify(b, k.public, d, r)
				}
			}
		}
		bare := floorEdDSAKeygen(b, th.T, th.N)
		compare(b, 60, ceremony(own), ceremony(stock), func(s *spent, i int) {
			d := digest("floor %d", i)
			var sig []byte
			s.run(func() map[protocol.PeerID]*protocol.Result { sig = floorEdDSASign(b, bare[:th.T], d); return nil })
			verifyFloorEdDSA(b, bare[0], d, sig)
		})
	})
}

func finish(b *testing.B, parties []protocoltest.Party) map[protocol.PeerID]*protocol.Result {
	b.Helper()
	results, _, err := protocoltest.Run(parties, protocoltest.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return results
}

// spent adds up the CPU time of ceremonies, without that of checking what they made.
type spent struct {
	b     *testing.B
	total time.Duration
	count int
}

func (s *spent) run(ceremony func() map[protocol.PeerID]*protocol.Result) map[protocol.PeerID]*protocol.Result {
	s.b.Helper()
	start := cpuTime(s.b)
	results := ceremony()
	s.total += cpuTime(s.b) - start
	s.count++
	return results
}

func (s *spent) each() float64 { return s.total.Seconds() * 1000 / float64(s.count) }

// compare runs own so many times for each run of the others.
func compare(b *testing.B, times int, own, stock, floor func(*spent, int)) {
	b.Helper()
	ours, theirs, bare := &spent{b: b}, &spent{b: b}, &spent{b: b}
	own(&spent{b: b}, -1) // warms up
	for i := 0; b.Loop(); i++ {
		for k := range times {
			own(ours, i*times+k)
		}
		stock(theirs, i)
		floor(bare, i)
	}
	b.ReportMetric(ours.each(), "cpu-ms/op")
	b.ReportMetric(theirs.each(), "stock-cpu-ms/op")
	b.ReportMetric(bare.each(), "floor-cpu-ms/op")
	b.ReportMetric(theirs.each()/ours.each(), "x-less")
	b.ReportMetric(bare.each()/ours.each(), "x-less-floor")
}
