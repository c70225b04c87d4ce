package tss

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"math/big"
	mathrand "math/rand/v2"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	"golang.org/x/sync/errgroup"
)

// samplePrimes is a sample of safe primes with the places of the q in their windows.
type samplePrimes struct {
	primes []*safePrime
	places []int
}

// newSample draws so many, each from a stream of its own of one seed.
func newSample(t *testing.T, count int) *samplePrimes {
	t.Helper()
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	s := &samplePrimes{primes: make([]*safePrime, count), places: make([]int, count)}
	var group errgroup.Group
	group.SetLimit(2)
	for k := range count {
		group.Go(func() (err error) {
			from := testSearch(mathrand.New(mathrand.NewPCG(seed, uint64(k))))
			for err == nil && s.primes[k] == nil {
				var q0 nat
				if q0, err = from.windowStart(); err == nil {
					s.primes[k], err = from.window(context.Background(), &q0)
				}
				if found := s.primes[k]; found != nil {
					steps := new(big.Int).Sub(found.q, q0.big())
					s.places[k] = int(steps.Div(steps, big.NewInt(6)).Int64())
				}
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return s
}

// tally is how often each of several equally likely outcomes was seen.
type tally []int

// check fails if Pearson's statistic is so large that sound numbers have it once in
// ten million times (Wilson and Hilferty's approximation of its distribution).
func (c tally) check(t *testing.T, what string) {
	t.Helper()
	total := 0
	for _, n := range c {
		total += n
	}
	mean, chi := float64(total)/float64(len(c)), 0.0
	for _, n := range c {
		chi += (float64(n) - mean) * (float64(n) - mean) / mean
	}
	free := float64(len(c) - 1)
	limit := free * math.Pow(1-2/(9*free)+5.2*math.Sqrt(2/(9*free)), 3)
	t.Logf("%s: χ² = %.1f of %d outcomes, at most %.1f", what, chi, len(c), limit)
	if chi > limit {
		t.Errorf("%s: %v is no even spread", what, []int(c))
	}
}

// even counts what f says of each prime, one of n.
func (s *samplePrimes) even(t *testing.T, what string, n int, f func(k int, q *big.Int) int) {
	t.Helper()
	if len(s.primes) < 4*n {
		return // too few to count
	}
	c := make(tally, n)
	for k, p := range s.primes {
		c[f(k, p.q)]++
	}
	c.check(t, what)
}

// The safe primes are what the library would take, and spread as independent random
// ones: over [3·2^1021, 2^1023), over the residues modulo small primes r that leave q
// and 2q+1 without the factor r, over the places in a window, and in their low bits.
// Sets of them are sound.
func TestSafePrimes(t *testing.T) {
	t.Parallel()
	count := primeSample
	if UnderRace {
		count = 4
	}
	s := newSample(t, count)
	seen := map[string]bool{}
	for _, p := range s.primes {
		checkSafePrime(t, p)
		seen[p.q.String()] = true
	}
	if len(seen) != count {
		t.Errorf("%d different primes of %d", len(seen), count)
	}
	low := new(big.Int).Lsh(big.NewInt(3), germainBits-2)
	for _, parts := range []int{4, 8, 32, 128} {
		s.even(t, fmt.Sprintf("range in %d parts", parts), parts, func(_ int, q *big.Int) int {
			place := new(big.Int).Sub(q, low)
			place.Mul(place, big.NewInt(int64(parts)))
			return int(place.Rsh(place, germainBits-2).Int64())
		})
		s.even(t, fmt.Sprintf("window in %d parts", parts), parts, func(k int, _ *big.Int) int {
			return s.places[k] * parts / sieveWindow
		})
		s.even(t, fmt.Sprintf("low bits modulo %d", 2*parts), parts, func(_ int, q *big.Int) int { // q is odd
			return int(q.Bits()[0]>>1) % parts
		})
	}
	for _, r := range []int64{5, 7, 11, 13, 17, 19, 23, 31, 61, 127} {
		s.even(t, fmt.Sprintf("residues modulo %d", r), int(r-2), func(_ int, q *big.Int) int {
			rest := new(big.Int).Mod(q, big.NewInt(r)).Int64() // neither 0 nor (r-1)/2
			if rest > (r-1)/2 {
				return int(rest - 2)
			}
			return int(rest - 1)
		})
	}
	checkSets(t, s.primes)
}

// checkSets makes sets of the primes, in the order in which they were found.
func checkSets(t *testing.T, primes []*safePrime) {
	t.Helper()
	var g Generator
	used := map[string]bool{}
	sets := 0
	for _, p := range primes {
		four := g.offer(p)
		if four == nil {
			continue
		}
		set, err := assemble(four)
		if err != nil {
			t.Fatal(err)
		}
		sets++
		if err := set.Validate(); err != nil { // P ≠ Q, |P-Q|, moduli, the relations of h1 and h2; and the library's own
			t.Error(err)
		}
		order := new(big.Int).Mul(set.params.P, set.params.Q)
		if one := new(big.Int).Mul(set.params.Alpha, set.params.Beta); one.Mod(one, order).Cmp(bigOne) != 0 {
			t.Error("alpha and beta are not inverse")
		}
		for _, v := range primesOf(set) {
			if used[v.String()] {
				t.Error("a prime is in two sets")
			}
			used[v.String()] = true
		}
	}
	t.Logf("%d sets of %d primes", sets, len(primes))
	if sets == 0 && len(primes) >= 8 {
		t.Error("no set")
	}
}

func checkSafePrime(t *testing.T, s *safePrime) {
	t.Helper()
	switch {
	case s.p.BitLen() != 1024 || s.p.Bit(1022) != 1 || s.q.BitLen() != 1023:
		t.Errorf("%x has a wrong length", s.p)
	case safeOf(s.q).Cmp(s.p) != 0:
		t.Errorf("%x is not 2q+1", s.p)
	case !s.p.ProbablyPrime(30) || !s.q.ProbablyPrime(30):
		t.Errorf("%x is no safe prime", s.p)
	case new(big.Int).Mod(s.q, big.NewInt(6)).Int64() != 5:
		t.Errorf("%x is not 5 mod 6", s.q)
	}
}

// A q that the Fermat tests take for a Sophie Germain prime, though it is composite:
// q = (k+1)(3k+1) with both factors prime and 2 a cube modulo 3k+1, so that the order of
// 2 modulo each divides q-1 = k(3k+4); and 2q+1 is prime.
func TestAPseudoprimeDoesNotPass(t *testing.T) {
	k, ok := new(big.Int).SetString("607ae2e70cf94e8adf027dc6c01f7d0bfd6127c45ad23ac6e5931f27c9cb4b6fef9e2f5ab61e8d7da8a6a22506c20dea4767a7773c2462303698e2fac67721d0", 16)
	if !ok {
		t.Fatal("no number")
	}
	v := new(big.Int).Mul(k, big.NewInt(3))
	v.Mul(v.Add(v, bigOne), new(big.Int).Add(k, bigOne))
	var q nat
	q.setBig(v)
	p := q.twicePlusOne()
	if !fermat(&q) || !fermat(&p) || q.bitLen() != germainBits || new(big.Int).Mod(v, big.NewInt(6)).Int64() != 5 {
		t.Fatal("it is no candidate that comes so far")
	}
	if asSafePrime(&q) != nil {
		t.Error("a composite q is taken for prime")
	}
	if err := validatePrimes(safeOf(v)); err == nil {
		t.Error("a composite q is valid")
	}
}

// Pairs are taken far apart, and a set without such a pair is not accepted.
func TestPairUp(t *testing.T) {
	prime := func(quarters int64) *safePrime { // at so many sixteenths of the range
		p := new(big.Int).Lsh(big.NewInt(48+quarters), 1018)
		return &safePrime{p: p, q: new(big.Int).Rsh(p, 1)}
	}
	tests := []struct {
		places []int64
		ok     bool
	}{
		{[]int64{0, 8, 1, 2}, true},
		{[]int64{0, 1, 2, 15}, true},
		{[]int64{9, 8, 7, 2}, true},
		{[]int64{0, 1, 2, 3}, false},
		{[]int64{0, 0, 8, 15}, false}, // the same prime twice
	}
	for _, test := range tests {
		var s []*safePrime
		for _, place := range test.places {
			s = append(s, prime(place))
		}
		ok := pairUp(s)
		if ok != test.ok || ok && !farApart(s[0].p, s[1].p) {
			t.Errorf("%v: %v", test.places, ok)
		}
		seen := map[string]bool{}
		for _, p := range s {
			seen[p.p.String()] = true
		}
		if ok && len(seen) != 4 {
			t.Errorf("%v: a prime is lost", test.places)
		}
	}
}

// The library takes a set and its Paillier key decrypts.
func TestLibraryTakesTheSet(t *testing.T) {
	set, err := GeneratePreParams(context.Background(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Validate(); err != nil {
		t.Fatal(err)
	}
	p := set.params
	if !p.ValidateWithProof() || !common.IsNumberInMultiplicativeGroup(p.NTildei, p.H1i) {
		t.Error("the set is not valid")
	}
	message := big.NewInt(123456789)
	c, err := p.PaillierSK.Encrypt(rand.Reader, message)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := p.PaillierSK.Decrypt(c); err != nil || m.Cmp(message) != 0 {
		t.Errorf("%v decrypts to %v, %v", message, m, err)
	}
}
