package tss

import (
	"context"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

func BenchmarkFermat(b *testing.B) {
	q, err := windowStart()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			fermat(&q)
		}
	})
	m := q.big()
	e := new(big.Int).Sub(m, bigOne)
	b.Run("math-big", func(b *testing.B) {
		for b.Loop() {
			new(big.Int).Exp(big.NewInt(2), e, m)
		}
	})
}

func BenchmarkSieve(b *testing.B) {
	q, err := windowStart()
	if err != nil {
		b.Fatal(err)
	}
	smallPrimes()
	n := 0
	for b.Loop() {
		n = len(survivors(&q))
	}
	b.ReportMetric(float64(n), "survivors")
}

func TestLab(t *testing.T) {
	_ = rand.Int
	start := time.Now()
	smallPrimes()
	t.Log("table", time.Since(start))
	start = time.Now()
	for range 16 {
		if _, err := findSafePrime(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("per prime", time.Since(start)/16)
}

func TestFermatAgainstBig(t *testing.T) {
	primes := 0
	for range 300 {
		q, err := windowStart()
		if err != nil {
			t.Fatal(err)
		}
		p := q.twicePlusOne()
		for _, m := range []*nat{&q, &p} {
			v := m.big()
			want := new(big.Int).Exp(big.NewInt(2), new(big.Int).Sub(v, bigOne), v).Cmp(bigOne) == 0
			if fermat(m) != want {
				t.Fatalf("fermat(%x) = %v", v, !want)
			}
		}
	}
	for range 30 {
		s, _ := findSafePrime(context.Background())
		var x nat
		x.setBig(s.q)
		if !fermat(&x) {
			t.Fatal("q")
		}
		x.setBig(s.p)
		if !fermat(&x) {
			t.Fatal("p")
		}
		primes++
	}
}
