//go:build long

package tss

// primeSample is how many safe primes TestSafePrimes draws: 0.2 s of CPU each.
const primeSample = 1200
