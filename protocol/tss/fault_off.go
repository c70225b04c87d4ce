//go:build !faults

package tss

import tsslib "github.com/bnb-chain/tss-lib/v2/tss"

// faulty returns the library's party as it is. Builds with the tag faults, which
// are for tests of whole processes, can make it panic.
func faulty(p tsslib.Party, _ []byte) tsslib.Party { return p }
