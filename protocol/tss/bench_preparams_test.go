//go:build unix

package tss_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bnb-chain/tss-lib/v2/common"

	"github.com/meshmpc/mpcd/protocol/tss"
)

// BenchmarkPreParams compares the CPU cost of a set of pre-parameters, ours and the
// library's, in one run: ours is measured by the set, over benchSets of them, and the
// library's computed, because a set of it takes up to minutes, with a heavy tail. The
// two take turns, so that what else the machine does weighs on both. All metrics:
//
//	cpu-ms/set             of ours, measured
//	lib-cpu-ms/candidate   of the library, measured, as many in a turn as take about as long as our set
//	lib-candidates/prime   of 1024 bits, see libraryCandidates
//	lib-primes/set         2 for Ñ and 2·16/9 for N: it draws pairs until they are far apart
//	lib-cpu-ms/set         the product of these three
//	x-less                 lib-cpu-ms/set over cpu-ms/set
func BenchmarkPreParams(b *testing.B) {
	const benchSets, candidates, primes = 16, 4000, 2 + 2*16.0/9
	perPrime := libraryCandidates(b)
	if _, err := tss.GeneratePreParams(b.Context(), 1); err != nil { // makes the tables, and warms up
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	sets := 0
	for b.Loop() {
		for range benchSets {
			start := cpuTime(b)
			set, err := tss.GeneratePreParams(b.Context(), 1)
			ours += cpuTime(b) - start
			if err != nil {
				b.Fatal(err)
			}
			if err := set.Validate(); err != nil {
				b.Fatal(err)
			}
			sets++
			theirs += libraryCost(b, candidates)
		}
	}
	ms := func(d time.Duration, n int) float64 { return d.Seconds() * 1000 / float64(n) }
	set, candidate := ms(ours, sets), ms(theirs, sets*candidates)
	b.ReportMetric(set, "cpu-ms/set")
	b.ReportMetric(float64(sets), "sets")
	b.ReportMetric(candidate, "lib-cpu-ms/candidate")
	b.ReportMetric(perPrime, "lib-candidates/prime")
	b.ReportMetric(primes, "lib-primes/set")
	b.ReportMetric(candidate*perPrime*primes, "lib-cpu-ms/set")
	b.ReportMetric(candidate*perPrime*primes/set, "x-less")
}

// libraryCost returns the CPU time that the library needs for so many candidates of
// 1024 bits.
func libraryCost(b *testing.B, candidates int64) time.Duration {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	source := &countingReader{limit: candidates, done: cancel}
	start := cpuTime(b)
	_, err := common.GetRandomSafePrimesConcurrent(ctx, 1024, math.MaxInt16, 1, source)
	if !errors.Is(err, common.ErrGeneratorCancelled) {
		b.Fatal(err)
	}
	return cpuTime(b) - start
}

// libraryCandidates returns how many candidates of the library make a safe prime
// of 1024 bits. It counts them for short primes, which are found in milliseconds:
// how a start becomes a candidate depends on residues modulo small primes only, so
// the share of hits goes with the density of safe primes, as 1/(ln q · ln 2q).
func libraryCandidates(b *testing.B) float64 {
	b.Helper()
	const short, primes = 160, 1000
	source := &countingReader{limit: math.MaxInt64}
	found, err := common.GetRandomSafePrimesConcurrent(context.Background(), short, primes, 1, source)
	if err != nil || len(found) != primes {
		b.Fatal(err)
	}
	area := func(bits float64) float64 { // of primes whose top two bits are set: ln 1.75 above the middle bit
		ln := (bits-2)*math.Ln2 + math.Log(1.75)
		return ln * (ln + math.Ln2)
	}
	return float64(source.count) / primes * area(1024) / area(short)
}

// countingReader ends the search when the start of candidate limit+1 is drawn.
type countingReader struct {
	count, limit int64
	done         func()
}

func (r *countingReader) Read(p []byte) (int, error) {
	if atomic.AddInt64(&r.count, 1) > r.limit {
		r.done()
	}
	return io.ReadFull(rand.Reader, p)
}
