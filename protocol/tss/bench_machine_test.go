//go:build unix

package tss_test

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

// BenchmarkMachine tells how fast the machine is at what ECDSA ceremonies spend most of
// their time with, so that times of different days and machines can be compared.
func BenchmarkMachine(b *testing.B) {
	b.Run("exp=2048", func(b *testing.B) {
		const bits, seed = 2048, 1
		random := rand.New(rand.NewPCG(seed, seed))
		number := func() *big.Int {
			words := make([]byte, bits/8)
			for i := range words {
				words[i] = byte(random.Uint32())
			}
			n := new(big.Int).SetBytes(words)
			return n.SetBit(n.SetBit(n, 0, 1), bits-1, 1)
		}
		x, e, m, y := number(), number(), number(), new(big.Int)
		for b.Loop() {
			y.Exp(x, e, m)
		}
	})
}
