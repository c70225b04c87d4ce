//go:build !long

package tss_test

// longTests: some tests leave out what takes minutes, unless built with -tags long.
const longTests = false
