package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts of testdata run this binary as mpcd.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mpcd": main})
}
