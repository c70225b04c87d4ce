package keystore

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/meshmpc/mpcd/protocol/leaktest"
)

// childEnv makes the test binary a child that runs one of children and ends.
const childEnv = "KEYSTORE_TEST_CHILD"

var children = map[string]func() error{
	"take": childTake,
	"lock": childLock,
	"put":  childPut,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leaktest.Main(m,
		// Badger leaves these two behind when its Open fails; a database that was opened
		// and not closed leaves many others.
		goleak.IgnoreTopFunction("github.com/dgraph-io/badger/v4.(*DB).monitorCache"),
		goleak.IgnoreTopFunction("github.com/dgraph-io/ristretto/v2/z.(*AllocatorPool).freeupAllocators"),
	)
}
