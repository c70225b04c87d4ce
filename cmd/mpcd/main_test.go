package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain lets the scripts of testdata run this binary as mpcd, and tests of the
// supervisor as fake workers.
func TestMain(m *testing.M) {
	if code, fake := runFake(); fake {
		os.Exit(code)
	}
	testscript.Main(leakChecked{m}, map[string]func(){"mpcd": main})
}

// leakChecked fails a run that leaves goroutines behind.
type leakChecked struct{ *testing.M }

func (l leakChecked) Run() int {
	code := l.M.Run()
	if code != 0 {
		return code
	}
	// tss-lib's logger starts this one when it is loaded.
	loaded := goleak.IgnoreTopFunction("github.com/ipfs/go-log/writer.(*MirrorWriter).logRoutine")
	if err := goleak.Find(loaded); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
