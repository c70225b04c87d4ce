package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/meshmpc/mpcd/protocol/leaktest"
)

// TestMain lets the scripts of testdata run this binary as mpcctl.
func TestMain(m *testing.M) {
	testscript.Main(leaktest.Checked(m), map[string]func(){"mpcctl": main})
}
