package tss

import (
	"math/big"
	"math/bits"
)

// limbs is the size of a nat in 64-bit words.
const limbs = 16

// nat is a natural number below 2^1024, least significant limb first.
type nat [limbs]uint64

func (x *nat) setBig(v *big.Int) {
	var buf [limbs * 8]byte
	v.FillBytes(buf[:])
	for i := range x {
		b := buf[len(buf)-8*(i+1):]
		x[i] = uint64(b[7]) | uint64(b[6])<<8 | uint64(b[5])<<16 | uint64(b[4])<<24 |
			uint64(b[3])<<32 | uint64(b[2])<<40 | uint64(b[1])<<48 | uint64(b[0])<<56
	}
}

func (x *nat) big() *big.Int {
	var buf [limbs * 8]byte
	for i, w := range x {
		for k := range 8 {
			buf[len(buf)-1-8*i-k] = byte(w >> (8 * k))
		}
	}
	return new(big.Int).SetBytes(buf[:])
}

// add returns x + v; the caller knows that it stays below 2^1024.
func (x *nat) add(v uint64) nat {
	z := *x
	var c uint64
	z[0], c = bits.Add64(z[0], v, 0)
	for i := 1; i < limbs && c != 0; i++ {
		z[i], c = bits.Add64(z[i], 0, c)
	}
	return z
}

// sub sets x to x - y mod 2^1024 and returns the borrow.
func (x *nat) sub(y *nat) (borrow uint64) {
	for i := range x {
		x[i], borrow = bits.Sub64(x[i], y[i], borrow)
	}
	return borrow
}

// twicePlusOne returns 2x + 1; the caller knows that x < 2^1023.
func (x *nat) twicePlusOne() nat {
	var z nat
	low := uint64(1)
	for i, w := range x {
		z[i] = w<<1 | low
		low = w >> 63
	}
	return z
}

// fermat reports whether 2^(m-1) = 1 mod m, for an odd m of 1023 or 1024 bits
// whose two top bits are set. It takes about 0.7 of the time of
// big.Int.Exp: a squaring costs less than a multiplication, multiplying by a
// power of the base is a shift, and there is no table. It is not constant-time:
// what it tells about a number is whether it is thrown away.
//
// All values are in Montgomery form with R = 2^1024 and below R, not
// necessarily below m (Gueron, "Efficient software implementations of modular
// exponentiation", 2012). The exponent is read in windows of six bits: six
// squarings, then times 2^d and one step of Montgomery's reduction, which is a
// factor 2^(d-64). So the digits d are those of m - 1 + 64·(1 + 64 + 64² + …).
func fermat(m *nat) bool {
	inv := negInverse(m[0])
	digits := exponentDigits(m)
	one := nat{} // R mod m, as R - m: m > R/3
	one.sub(m)
	x := one
	for range digits[0] {
		double(&x, m)
	}
	for _, d := range digits[1:] {
		for range windowBits {
			montSquare(&x, m, inv)
		}
		shiftReduce(&x, m, inv, uint(d))
	}
	reduce(&x, m)
	reduce(&one, m)
	return x == one
}

const (
	windowBits = 6
	windows    = 170 // all of an exponent but its top 3 or 4 bits
)

// exponentDigits returns the digits of m - 1 + 64·(1 + 64 + … + 64^169), the
// highest first.
func exponentDigits(m *nat) (digits [windows + 1]uint8) {
	carry := -1
	for i := windows; i > 0; i-- {
		bit := windowBits * (windows - i)
		w := m[bit/64] >> (bit % 64)
		if bit%64 > 64-windowBits {
			w |= m[bit/64+1] << (64 - bit%64)
		}
		d := int(w&63) + carry
		digits[i] = uint8(d & 63)
		carry = d>>windowBits + 1 // the 64 that belongs to this digit
	}
	digits[0] = uint8(int(m[limbs-1]>>60) + carry)
	return digits
}

// shiftReduce sets x to a number below 2^1024 that is x·2^(d-64) mod m, d < 64.
func shiftReduce(x, m *nat, inv uint64, d uint) {
	var top uint64
	for i, w := range x {
		x[i] = w<<d | top
		top = w >> 1 >> (63 - d)
	}
	c := addRow(x, m, x[0]*inv)
	copy(x[:], x[1:])
	x[limbs-1], c = bits.Add64(top, c, 0)
	if c != 0 {
		x.sub(m)
	}
}

func (x *nat) bitLen() int {
	for i := limbs - 1; i >= 0; i-- {
		if x[i] != 0 {
			return 64*i + bits.Len64(x[i])
		}
	}
	return 0
}

// negInverse returns -1/w mod 2^64 for an odd w: each Newton step doubles the
// number of right bits, and w itself has three.
func negInverse(w uint64) uint64 {
	inv := w
	for range 5 {
		inv *= 2 - w*inv
	}
	return -inv
}

// double sets x to a number below 2^1024 that is 2x mod m.
func double(x, m *nat) {
	var top uint64
	for i, w := range x {
		x[i] = w<<1 | top
		top = w >> 63
	}
	for top != 0 {
		top -= x.sub(m)
	}
}

// reduce sets x to x mod m; m > 2^1024/3, so this takes at most two rounds.
func reduce(x, m *nat) {
	for {
		y := *x
		if y.sub(m) != 0 {
			return
		}
		*x = y
	}
}
