//go:build long

package tss_test

const longTests = true
