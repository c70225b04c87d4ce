// Package e2e judges the system from outside: it starts real processes, talks
// to their public HTTP API, and checks what they answer with code that is not
// ours (go-ethereum, btcd's script engine, crypto/ed25519).
//
// It is a module of its own, so that the judges stay out of the product's
// go.mod, build and vulnerability scan. It imports nothing of the product: what
// it knows is what a caller or an operator can know.
//
//	cluster/  one bootstrap node, n parties, one coordinator, as processes
//	judge/    verifies signatures: by itself, and as an Ethereum chain, Bitcoin's
//	          script engine and Solana's validators do
//	demo/     make demo
//	up/       make up
//
// Its benchmarks are described in BENCHMARKS.md.
package e2e
