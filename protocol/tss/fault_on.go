//go:build faults

package tss

import (
	"encoding/hex"
	"os"
	"strings"

	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
)

// faultVariable names a file. When it exists and holds the payload of a signing in
// hex, this process's part in that signing panics, once: the file is removed
// first.
const faultVariable = "MPCD_FAULT_FILE"

// faulty returns a party that panics in the middle of the signing of the payload
// that the file names.
func faulty(p tsslib.Party, payload []byte) tsslib.Party {
	return &faultyParty{Party: p, file: os.Getenv(faultVariable), payload: hex.EncodeToString(payload)}
}

type faultyParty struct {
	tsslib.Party
	file    string
	payload string
}

// Update panics as the library's own goroutines would: while the caller waits for
// one that it has started, where no recover of the caller's helps.
func (f *faultyParty) Update(msg tsslib.ParsedMessage) (bool, *tsslib.Error) {
	if named, err := os.ReadFile(f.file); err == nil && strings.TrimSpace(string(named)) == f.payload && os.Remove(f.file) == nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			panic("injected: a goroutine of the library panics")
		}()
		<-done
	}
	return f.Party.Update(msg)
}
