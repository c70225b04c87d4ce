package tss

import (
	"context"
	"crypto/rand"
	"io"
	"math/big"
	mathrand "math/rand/v2"
)

// Sizes of the primes. A product of two safe primes whose top two bits are set
// has exactly 2048 bits.
const (
	germainBits   = 1023 // of q
	safePrimeBits = 1024 // of p = 2q + 1
	modulusBits   = 2048
	// primeRounds is the number of Miller-Rabin rounds for q, beside the
	// Baillie-PSW test of big.Int.ProbablyPrime.
	primeRounds = 30
)

var bigOne = big.NewInt(1)

// safePrime is a prime q for which p = 2q + 1 is prime.
type safePrime struct{ q, p *big.Int }

// search looks for safe primes of 1024 bits with the top two bits set.
type search struct {
	random io.Reader // chooses the windows, and the order in each
	// step gives leave for the next window or candidate; its error ends the search.
	step func(context.Context) error
}

// find returns a random safe prime. It searches windows of candidates until one has
// a hit; see the comment of PreParams about the distribution.
func (s *search) find(ctx context.Context) (*safePrime, error) {
	for {
		q0, err := s.windowStart()
		if err != nil {
			return nil, err
		}
		if found, err := s.window(ctx, &q0); found != nil || err != nil {
			return found, err
		}
	}
}

// window returns a random one of the safe primes 2q + 1 with q = q0 + 6i, nil if
// there is none.
func (s *search) window(ctx context.Context, q0 *nat) (*safePrime, error) {
	if err := s.step(ctx); err != nil {
		return nil, err
	}
	left := survivors(q0, smallPrimes())
	if err := s.shuffle(left); err != nil {
		return nil, err
	}
	for _, i := range left {
		if err := s.step(ctx); err != nil {
			return nil, err
		}
		q := q0.add(6 * uint64(i))
		if found := asSafePrime(&q); found != nil {
			return found, nil
		}
	}
	return nil, nil
}

// windowStart returns a random number q0 = 5 mod 6 of 1023 bits with the top two
// set. Every Sophie Germain prime q > 3 is 5 mod 6: q is odd, and 3 would divide
// q or 2q + 1 otherwise.
func (s *search) windowStart() (nat, error) {
	var q0 nat
	low, err := rand.Int(s.random, new(big.Int).Lsh(bigOne, germainBits-2))
	if err != nil {
		return q0, err
	}
	low.Or(low, new(big.Int).Lsh(big.NewInt(3), germainBits-2))
	rest := new(big.Int).Mod(low, big.NewInt(6)).Uint64()
	q0.setBig(low)
	return q0.add(5 - rest), nil
}

// asSafePrime returns the safe prime 2q + 1 if it is one, nil otherwise.
func asSafePrime(q *nat) *safePrime {
	if !fermat(q) {
		return nil
	}
	p := q.twicePlusOne()
	if q.bitLen() != germainBits || !fermat(&p) {
		return nil
	}
	// Given that q is prime, 2^(p-1) = 1 mod p proves that p is: Pocklington's
	// criterion with the factor q of p - 1, as gcd(2^2 - 1, p) = 1.
	s := &safePrime{q: q.big(), p: p.big()}
	if !s.q.ProbablyPrime(primeRounds) {
		return nil
	}
	return s
}

// shuffle puts v into random order, so that a hit does not favour primes after
// long gaps.
func (s *search) shuffle(v []uint32) error {
	var seed [32]byte
	if _, err := io.ReadFull(s.random, seed[:]); err != nil {
		return err
	}
	r := mathrand.New(mathrand.NewChaCha8(seed))
	r.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
	return nil
}
