package tss

import (
	"fmt"
	"math"
	"math/big"
	"sort"
	"testing"
	"time"
)

// The sieve leaves exactly the candidates without a small factor.
func TestSieve(t *testing.T) {
	r := newRandom(t)
	table := smallPrimes()
	if len(table) != 295947-2 { // π(2^22) without 2 and 3
		t.Errorf("%d primes in the table", len(table))
	}
	q0, err := testSearch(r).windowStart()
	if err != nil {
		t.Fatal(err)
	}
	v := q0.big()
	if v.BitLen() != germainBits || v.Bit(germainBits-2) != 1 || new(big.Int).Mod(v, big.NewInt(6)).Int64() != 5 {
		t.Fatalf("a window starts at %x", v)
	}
	left := map[uint32]bool{}
	for _, i := range survivors(&q0, table) {
		left[i] = true
	}
	t.Logf("%d of %d are left", len(left), sieveWindow)
	for range 300 {
		i := uint32(r.IntN(sieveWindow))
		q := new(big.Int).Add(v, big.NewInt(6*int64(i)))
		if left[i] != !hasSmallFactor(q) {
			t.Fatalf("candidate %d of %x: left %v", i, v, left[i])
		}
	}
	checked := 0
	for i := range left {
		if q := new(big.Int).Add(v, big.NewInt(6*int64(i))); hasSmallFactor(q) {
			t.Fatalf("candidate %d of %x has a small factor", i, v)
		}
		if checked++; checked == 10 {
			break
		}
	}
}

func hasSmallFactor(q *big.Int) bool {
	p, m := safeOf(q), new(big.Int)
	for _, s := range smallPrimes() {
		r := big.NewInt(int64(s.r))
		if m.Mod(q, r).Sign() == 0 || m.Mod(p, r).Sign() == 0 {
			return true
		}
	}
	return false
}

func TestSmallPrimes(t *testing.T) {
	r := newRandom(t)
	q0 := randomNat(r, germainBits)
	v := q0.big()
	table := smallPrimes()
	for k := range 3000 {
		p := &table[k]
		if k >= 1000 {
			p = &table[r.IntN(len(table))]
		}
		prime := big.NewInt(int64(p.r))
		i, j := p.multiples(&q0)
		q := new(big.Int).Add(v, new(big.Int).SetUint64(6*i))
		twice := safeOf(new(big.Int).Add(v, new(big.Int).SetUint64(6*j)))
		if i >= uint64(p.r) || j >= uint64(p.r) || q.Mod(q, prime).Sign() != 0 || twice.Mod(twice, prime).Sign() != 0 {
			t.Fatalf("the multiples of %d are not at %d and %d", p.r, i, j)
		}
	}
}

// BenchmarkSieve compares limits of the small primes by what a safe prime costs, as
// ms/prime. With μ = 1.03 safe primes in a window on average, whatever the limit, a
// window has one with probability 1 - 1/e^μ, and a window that is tested in random
// order until the first hit is tested to (1 - 1/e^μ)/μ of its survivors. So a prime
// takes 1/(1 - 1/e^μ) sieves and 1/μ of the survivors' tests.
func BenchmarkSieve(b *testing.B) {
	lnQ := (germainBits-2)*math.Ln2 + math.Log(3.5)
	mu := sieveWindow * 6 * 2 * 0.66016 / (lnQ * (lnQ + math.Ln2)) // Hardy and Littlewood's conjecture
	table, limits := smallPrimes(), []int{18, 19, 20, 21, 22}
	sieve, left := make([]time.Duration, len(limits)), make([]int, len(limits))
	var test time.Duration
	rounds, from := 0, testSearch(newRandom(b))
	for b.Loop() { // in turns, so that what else the machine does weighs on all alike
		rounds++
		q0, err := from.windowStart()
		if err != nil {
			b.Fatal(err)
		}
		for i, bits := range limits {
			end := sort.Search(len(table), func(k int) bool { return table[k].r >= 1<<bits })
			start := time.Now()
			left[i] += len(survivors(&q0, table[:end]))
			sieve[i] += time.Since(start)
			start = time.Now()
			fermat(&q0)
			test += time.Since(start)
		}
	}
	each := test.Seconds() * 1000 / float64(rounds*len(limits))
	b.ReportMetric(each, "ms/test")
	for i, bits := range limits {
		window, tests := sieve[i].Seconds()*1000/float64(rounds), float64(left[i])/float64(rounds)
		b.ReportMetric(window, fmt.Sprintf("ms/sieve-2^%d", bits))
		b.ReportMetric(tests, fmt.Sprintf("survivors-2^%d", bits))
		b.ReportMetric(window/(1-math.Exp(-mu))+tests*each/mu, fmt.Sprintf("ms/prime-2^%d", bits))
	}
}
