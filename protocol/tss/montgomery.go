package tss

import "math/bits"

// montSquare sets x to a number below 2^1024 that is x²/2^1024 mod m, where
// inv = -1/m mod 2^64.
//
// With x = h·2^512 + l the square is h²·2^1024 + 2hl·2^512 + l²: 136 products of
// words where a multiplication takes 256.
func montSquare(x, m *nat, inv uint64) {
	var t [2 * limbs]uint64
	l, h := (*[8]uint64)(x[:8]), (*[8]uint64)(x[8:])
	square8((*[16]uint64)(t[:16]), l)
	square8((*[16]uint64)(t[16:]), h)
	var twice [8]uint64 // 2l, without its top bit
	for i := 7; i > 0; i-- {
		twice[i] = l[i]<<1 | l[i-1]>>63
	}
	twice[0] = l[0] << 1
	var c uint64
	for i, w := range h {
		t[i+16], c = bits.Add64(t[i+16], w&-(l[7]>>63), c)
	}
	carryOn((*[8]uint64)(t[24:]), c)
	c = 0
	for i, w := range twice {
		k := addRow8((*[8]uint64)(t[i+8:]), h, w)
		t[i+16], c = bits.Add64(t[i+16], k, c)
	}
	carryOn((*[8]uint64)(t[24:]), c)

	c = 0
	for i := range limbs { // word by word: add the multiple of m that clears t[i]
		u := t[i] * inv
		k := addRow((*nat)(t[i:]), m, u)
		t[i+limbs], c = bits.Add64(t[i+limbs], k, c)
	}
	copy(x[:], t[limbs:])
	if c != 0 {
		x.sub(m)
	}
}

// carryOn adds c to t, which has room for it.
func carryOn(t *[8]uint64, c uint64) {
	for i := 0; c != 0 && i < len(t); i++ {
		t[i], c = bits.Add64(t[i], 0, c)
	}
}

// addRow adds u·x to t and returns the carry; addRow8 does it for 8 words.
func addRow(t, x *nat, u uint64) (c uint64) {
	c, t[0] = mulAdd(u, x[0], t[0], 0)
	c, t[1] = mulAdd(u, x[1], t[1], c)
	c, t[2] = mulAdd(u, x[2], t[2], c)
	c, t[3] = mulAdd(u, x[3], t[3], c)
	c, t[4] = mulAdd(u, x[4], t[4], c)
	c, t[5] = mulAdd(u, x[5], t[5], c)
	c, t[6] = mulAdd(u, x[6], t[6], c)
	c, t[7] = mulAdd(u, x[7], t[7], c)
	c, t[8] = mulAdd(u, x[8], t[8], c)
	c, t[9] = mulAdd(u, x[9], t[9], c)
	c, t[10] = mulAdd(u, x[10], t[10], c)
	c, t[11] = mulAdd(u, x[11], t[11], c)
	c, t[12] = mulAdd(u, x[12], t[12], c)
	c, t[13] = mulAdd(u, x[13], t[13], c)
	c, t[14] = mulAdd(u, x[14], t[14], c)
	c, t[15] = mulAdd(u, x[15], t[15], c)
	return c
}

func addRow8(t, x *[8]uint64, u uint64) (c uint64) {
	c, t[0] = mulAdd(u, x[0], t[0], 0)
	c, t[1] = mulAdd(u, x[1], t[1], c)
	c, t[2] = mulAdd(u, x[2], t[2], c)
	c, t[3] = mulAdd(u, x[3], t[3], c)
	c, t[4] = mulAdd(u, x[4], t[4], c)
	c, t[5] = mulAdd(u, x[5], t[5], c)
	c, t[6] = mulAdd(u, x[6], t[6], c)
	c, t[7] = mulAdd(u, x[7], t[7], c)
	return c
}

// square8 sets t to x²: the products of unlike words, doubled, and the squares.
func square8(t *[16]uint64, x *[8]uint64) {
	crossProducts(t, x)
	var c, top uint64
	for i, w := range x {
		hi, lo := bits.Mul64(w, w)
		a, b := t[2*i], t[2*i+1]
		t[2*i], c = bits.Add64(a<<1|top, lo, c)
		t[2*i+1], c = bits.Add64(b<<1|a>>63, hi, c)
		top = b >> 63
	}
}

// crossProducts sets t to the sum of x[i]·x[j]·2^(64(i+j)) over i < j. It is
// unrolled because a loop would cost as much as the products.
func crossProducts(t *[16]uint64, x *[8]uint64) {
	var c uint64
	t[0] = 0
	c, t[1] = mulAdd(x[0], x[1], 0, 0)
	c, t[2] = mulAdd(x[0], x[2], 0, c)
	c, t[3] = mulAdd(x[0], x[3], 0, c)
	c, t[4] = mulAdd(x[0], x[4], 0, c)
	c, t[5] = mulAdd(x[0], x[5], 0, c)
	c, t[6] = mulAdd(x[0], x[6], 0, c)
	t[8], t[7] = mulAdd(x[0], x[7], 0, c)

	c, t[3] = mulAdd(x[1], x[2], t[3], 0)
	c, t[4] = mulAdd(x[1], x[3], t[4], c)
	c, t[5] = mulAdd(x[1], x[4], t[5], c)
	c, t[6] = mulAdd(x[1], x[5], t[6], c)
	c, t[7] = mulAdd(x[1], x[6], t[7], c)
	t[9], t[8] = mulAdd(x[1], x[7], t[8], c)

	c, t[5] = mulAdd(x[2], x[3], t[5], 0)
	c, t[6] = mulAdd(x[2], x[4], t[6], c)
	c, t[7] = mulAdd(x[2], x[5], t[7], c)
	c, t[8] = mulAdd(x[2], x[6], t[8], c)
	t[10], t[9] = mulAdd(x[2], x[7], t[9], c)

	c, t[7] = mulAdd(x[3], x[4], t[7], 0)
	c, t[8] = mulAdd(x[3], x[5], t[8], c)
	c, t[9] = mulAdd(x[3], x[6], t[9], c)
	t[11], t[10] = mulAdd(x[3], x[7], t[10], c)

	c, t[9] = mulAdd(x[4], x[5], t[9], 0)
	c, t[10] = mulAdd(x[4], x[6], t[10], c)
	t[12], t[11] = mulAdd(x[4], x[7], t[11], c)

	c, t[11] = mulAdd(x[5], x[6], t[11], 0)
	t[13], t[12] = mulAdd(x[5], x[7], t[12], c)

	t[14], t[13] = mulAdd(x[6], x[7], t[13], 0)
	t[15] = 0
}

// mulAdd returns x·y + t + c, which fits two words.
func mulAdd(x, y, t, c uint64) (hi, lo uint64) {
	hi, lo = bits.Mul64(x, y)
	lo, t = bits.Add64(lo, t, 0)
	hi, _ = bits.Add64(hi, 0, t)
	lo, c = bits.Add64(lo, c, 0)
	hi, _ = bits.Add64(hi, 0, c)
	return hi, lo
}
