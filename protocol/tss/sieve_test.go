package tss

import (
	"math/big"
	"testing"
)

// The sieve leaves exactly the candidates without a small factor.
func TestSieve(t *testing.T) {
	r := newRandom(t)
	table := smallPrimes()
	if len(table) != 295947-2 { // π(2^22) without 2 and 3
		t.Errorf("%d primes in the table", len(table))
	}
	q0, err := windowStart()
	if err != nil {
		t.Fatal(err)
	}
	v := q0.big()
	if v.BitLen() != germainBits || v.Bit(germainBits-2) != 1 || new(big.Int).Mod(v, big.NewInt(6)).Int64() != 5 {
		t.Fatalf("a window starts at %x", v)
	}
	left := map[uint32]bool{}
	for _, i := range survivors(&q0) {
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
