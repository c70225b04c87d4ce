package tss

import (
	"math/big"
	"runtime"
	"testing"

	"github.com/meshmpc/mpcd/protocol"
)

// The library computes on as many goroutines as there are cores, however many
// threads the process may have.
func TestParametersTakeTheCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * runtime.NumCPU()))
	r := newRoster([]string{"alice", "bob"}, []*big.Int{bigOne, bigTwo}, "alice")
	for _, scheme := range []protocol.Scheme{protocol.ECDSA, protocol.EdDSA} {
		s, err := suiteOf(scheme)
		if err != nil {
			t.Fatal(err)
		}
		p := s.parameters(r, 2)
		if p.Concurrency() != runtime.NumCPU() || p.Threshold() != 1 {
			t.Errorf("%s: %d goroutines on %d cores, degree %d", scheme, p.Concurrency(), runtime.NumCPU(), p.Threshold())
		}
	}
}
