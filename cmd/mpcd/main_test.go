package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/meshmpc/mpcd/protocol/leaktest"
)

// TestMain lets the scripts of testdata run this binary as mpcd, and tests of the
// supervisor as fake workers.
func TestMain(m *testing.M) {
	if code, fake := runFake(); fake {
		os.Exit(code)
	}
	testscript.Main(leaktest.Checked(m), map[string]func(){"mpcd": main})
}
