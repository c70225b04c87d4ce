//go:build race

package tss

// UnderRace: some tests of numbers do less under the race detector, where a
// multiplication takes ten times as long and nothing is shared.
const UnderRace = true
