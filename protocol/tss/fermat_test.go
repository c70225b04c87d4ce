package tss

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// randomNat returns a random number with the top two of its bits set, odd.
func randomNat(r *rand.Rand, bits int) nat {
	v := randomInt(r, bits)
	v.SetBit(v, bits-1, 1)
	v.SetBit(v, bits-2, 1)
	v.SetBit(v, 0, 1)
	var x nat
	x.setBig(v)
	return x
}

// testSearch draws from r.
func testSearch(r *rand.Rand) *search {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	return &search{random: rand.NewChaCha8(seed), step: new(Effort).step}
}

func newRandom(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := rand.Uint64()
	tb.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func bigFermat(v *big.Int) bool {
	return new(big.Int).Exp(big.NewInt(2), new(big.Int).Sub(v, bigOne), v).Cmp(bigOne) == 0
}

// special returns moduli whose words are all ones or all zeros, for the carries.
func special() []*big.Int {
	pow := func(n uint) *big.Int { return new(big.Int).Lsh(bigOne, n) }
	var list []*big.Int
	for _, top := range []uint{1023, 1024} {
		list = append(list,
			new(big.Int).Sub(pow(top), bigOne),
			new(big.Int).Sub(pow(top), big.NewInt(105)),
			new(big.Int).Sub(pow(top), pow(64)).SetBit(new(big.Int).Sub(pow(top), pow(64)), 0, 1),
			new(big.Int).Add(new(big.Int).Mul(big.NewInt(3), pow(top-2)), bigOne),
			new(big.Int).Sub(pow(top), new(big.Int).Sub(pow(512), bigOne)),
		)
	}
	return list
}

func TestMontSquare(t *testing.T) {
	r := newRandom(t)
	moduli := special()
	for range 200 {
		m := randomNat(r, 1023+r.IntN(2))
		moduli = append(moduli, m.big())
	}
	shift := new(big.Int).Lsh(bigOne, 1024)
	for _, v := range moduli {
		var m nat
		m.setBig(v)
		unshift := new(big.Int).ModInverse(shift, v)
		for _, xv := range []*big.Int{new(big.Int), bigOne, new(big.Int).Sub(v, bigOne), new(big.Int).Sub(shift, bigOne), randomInt(r, 1024)} {
			var x nat
			x.setBig(xv)
			want := new(big.Int).Mul(xv, xv)
			want.Mul(want, unshift).Mod(want, v)
			montSquare(&x, &m, negInverse(m[0]))
			if got := x.big(); got.Mod(got, v).Cmp(want) != 0 {
				t.Fatalf("%x squared modulo %x is wrong", xv, v)
			}
		}
	}
}

func TestFermatAgainstMathBig(t *testing.T) {
	r := newRandom(t)
	moduli := special()
	for range 100 {
		m := randomNat(r, 1023+r.IntN(2))
		moduli = append(moduli, m.big())
	}
	s, err := testSearch(r).find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Prime are 2^1024 - 105, q and p.
	moduli = append(moduli, s.q, s.p, new(big.Int).Add(s.p, big.NewInt(2)))
	primes := 0
	for _, v := range moduli {
		var m nat
		m.setBig(v)
		want := bigFermat(v)
		if want {
			primes++
		}
		if fermat(&m) != want {
			t.Errorf("fermat(%x) = %v", v, !want)
		}
	}
	if primes < 3 {
		t.Errorf("only %d primes among the moduli", primes)
	}
}

func TestExponentDigits(t *testing.T) {
	r := newRandom(t)
	for range 200 {
		m := randomNat(r, 1023+r.IntN(2))
		sum := new(big.Int)
		for i, d := range exponentDigits(&m) {
			if i > 0 {
				sum.Lsh(sum, windowBits).Sub(sum, big.NewInt(64))
			}
			sum.Add(sum, big.NewInt(int64(d)))
		}
		if want := new(big.Int).Sub(m.big(), bigOne); sum.Cmp(want) != 0 {
			t.Fatalf("the digits of %x make %x", want, sum)
		}
	}
}

func TestNatArithmetic(t *testing.T) {
	r := newRandom(t)
	for range 100 {
		x := randomNat(r, 1023)
		v := x.big()
		k := r.Uint64()
		sum := x.add(k)
		if want := new(big.Int).Add(v, new(big.Int).SetUint64(k)); sum.big().Cmp(want) != 0 {
			t.Fatalf("%x + %x is wrong", v, k)
		}
		p := x.twicePlusOne()
		if p.big().Cmp(safeOf(v)) != 0 || p.bitLen() != 1024 || x.bitLen() != 1023 {
			t.Fatalf("2·%x + 1 is wrong", v)
		}
	}
}

func BenchmarkFermat(b *testing.B) {
	q := randomNat(newRandom(b), germainBits)
	v := q.big()
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			fermat(&q)
		}
	})
	b.Run("math-big", func(b *testing.B) {
		for b.Loop() {
			bigFermat(v)
		}
	})
}
