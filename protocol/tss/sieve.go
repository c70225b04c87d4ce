package tss

import (
	"math/bits"
	"sync"
)

const (
	// sieveLimit bounds the small primes, sieveWindow is how many candidates
	// q0 + 6i a window holds. Measured (BenchmarkSieve): with these a window costs
	// 10 ms to sieve and 170 ms to test; a limit of 2^20 saves 6 ms of the former and
	// asks for a fifth more tests, so that a prime costs an eighth more.
	sieveLimit  = 1 << 22
	sieveWindow = 1 << 16
)

// smallPrime is an odd prime r > 3 with what finds its multiples in a window.
type smallPrime struct {
	r     uint32
	scale uint32 // -2^1024/6 mod r
	shift uint32 // -1/12 mod r: from the i of r | q to that of r | 2q+1
	inv   uint64 // -1/r mod 2^64
}

// smallPrimes is the sieve's table, made at its first use: 295,000 primes, 7 MB.
var smallPrimes = sync.OnceValue(func() []smallPrime {
	composite := make([]bool, sieveLimit)
	var table []smallPrime
	for n := 3; n < sieveLimit; n += 2 {
		if composite[n] {
			continue
		}
		for k := n * n; k < sieveLimit; k += 2 * n {
			composite[k] = true
		}
		if n > 3 {
			table = append(table, newSmallPrime(uint64(n)))
		}
	}
	return table
})

func newSmallPrime(r uint64) smallPrime {
	sixth := (r + 1) / 6 // 1/6 mod r
	if r%6 == 1 {
		sixth = r - (r-1)/6
	}
	power := uint64(2)
	for range 10 { // 2^(2^10)
		power = power * power % r
	}
	return smallPrime{
		r:     uint32(r),
		scale: uint32((r - power) * sixth % r),
		shift: uint32((r - 1) / 2 * sixth % r),
		inv:   negInverse(r),
	}
}

// multiples returns the least i, j ≥ 0 with r | q0 + 6i and r | 2(q0 + 6j) + 1.
func (p *smallPrime) multiples(q0 *nat) (i, j uint64) {
	r := uint64(p.r)
	var x uint64 // becomes q0/2^1024 mod r, give or take r: Montgomery's reduction
	for _, w := range q0 {
		t, over := bits.Add64(x, w, 0)
		hi, lo := bits.Mul64(t*p.inv, r)
		_, c := bits.Add64(lo, t, 0)
		x = hi + c + over
	}
	i = x * uint64(p.scale) % r
	j = i + uint64(p.shift)
	if j >= r {
		j -= r
	}
	return i, j
}

// survivors returns the i below sieveWindow for which neither q = q0 + 6i nor
// 2q + 1 has a factor in the table, where q0 = 5 mod 6.
func survivors(q0 *nat, table []smallPrime) []uint32 {
	var composite [sieveWindow]bool
	for k := range table {
		p := &table[k]
		i, j := p.multiples(q0)
		for ; i < sieveWindow; i += uint64(p.r) {
			composite[i] = true
		}
		for ; j < sieveWindow; j += uint64(p.r) {
			composite[j] = true
		}
	}
	var left []uint32
	for i, c := range composite {
		if !c {
			left = append(left, uint32(i))
		}
	}
	return left
}
