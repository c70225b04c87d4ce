package tss

import (
	"context"
	"crypto/rand"
	"math/big"
	"sync"
	"testing"

	"github.com/bnb-chain/tss-lib/v2/common"
	"golang.org/x/sync/errgroup"
)

// The safe primes are what the library would take, and spread as independent
// random ones: 40 of them, by their position in [3·2^1022, 2^1024), their residues
// and their low bits. The bounds let one sound run in about 100,000 fail.
func TestSafePrimes(t *testing.T) {
	t.Parallel()
	count := 40
	if UnderRace {
		count = 4
	}
	var mu sync.Mutex
	var primes []*safePrime
	var group errgroup.Group
	group.SetLimit(2)
	for range count {
		group.Go(func() error {
			s, err := findSafePrime(context.Background(), new(Effort).step)
			if err == nil {
				mu.Lock()
				primes = append(primes, s)
				mu.Unlock()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	low := new(big.Int).Lsh(big.NewInt(3), 1022)
	var quarter [4]int
	var mod4, mod5, bit1 int
	seen := map[string]bool{}
	for _, s := range primes {
		checkSafePrime(t, s)
		seen[s.q.String()] = true
		place := new(big.Int).Sub(s.p, low)
		quarter[place.Rsh(place, 1020).Int64()]++
		if s.q.Bit(1) == 1 {
			mod4++
		}
		if new(big.Int).Mod(s.q, big.NewInt(5)).Int64() == 3 { // 1, 3 and 4 are possible
			mod5++
		}
		if s.q.Bit(2) == 1 {
			bit1++
		}
	}
	if len(seen) != count {
		t.Errorf("%d different primes of %d", len(seen), count)
	}
	if UnderRace { // too few to count
		return
	}
	within := func(what string, got int, p float64) {
		t.Helper()
		mean := p * float64(count)
		dev := float64(got) - mean
		if dev*dev > 21*p*(1-p)*float64(count) { // 4.6 standard deviations
			t.Errorf("%s: %d of %d, expected about %.0f", what, got, count, mean)
		}
	}
	for i, n := range quarter {
		within("quarter "+string(rune('1'+i)), n, 0.25)
	}
	within("q = 3 mod 4", mod4, 0.5)
	within("q = 3 mod 5", mod5, 1.0/3)
	within("bit 2 of q", bit1, 0.5)
	t.Logf("quarters %v, q = 3 mod 4: %d, q = 3 mod 5: %d, bit 2: %d", quarter, mod4, mod5, bit1)
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
