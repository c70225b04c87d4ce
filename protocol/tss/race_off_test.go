//go:build !race

package tss

const UnderRace = false
