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

	"github.com/bnb-chain/tss-lib/v2/common"

	"github.com/meshmpc/mpcd/protocol/tss"
)

// BenchmarkPreParams compares the cost of a set of pre-parameters.
//
// Ours is measured by the set. A set of the library takes up to minutes, with a
// heavy tail, so its search is measured by the candidate, which is bounded, and
// the set is computed: cpu-s/set = cost of a candidate × candidates for a prime ×
// primes for a set. It needs two primes for Ñ and 2·16/9 for N, because it draws
// pairs until they are far apart.
func BenchmarkPreParams(b *testing.B) {
	b.Run("ours-set", func(b *testing.B) {
		meter := measureCPU(b)
		sets := 0
		for b.Loop() {
			sets++
			set, err := tss.GeneratePreParams(context.Background(), 1)
			if err != nil {
				b.Fatal(err)
			}
			meter.pause(func() {
				if err := set.Validate(); err != nil {
					b.Fatal(err)
				}
			})
		}
		meter.report(sets)
		b.ReportMetric(meter.total.Seconds()/float64(sets), "cpu-s/set")
	})
	b.Run("library-candidate", func(b *testing.B) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		perPrime := libraryCandidates(b)
		source := &countingReader{limit: int64(b.N), done: cancel}
		b.ResetTimer()
		meter := measureCPU(b)
		_, err := common.GetRandomSafePrimesConcurrent(ctx, 1024, 1<<20, 1, source)
		if !errors.Is(err, common.ErrGeneratorCancelled) {
			b.Fatal(err)
		}
		meter.report(b.N)
		perCandidate := meter.total.Seconds() / float64(b.N)
		b.ReportMetric(perPrime, "candidates/prime")
		b.ReportMetric(perCandidate*perPrime*(2+2*16.0/9), "cpu-s/set")
	})
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
