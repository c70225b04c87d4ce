package p2ptest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakPatience is how long goroutines may take to end after the tests.
const leakPatience = 20 * time.Second

// VerifyMain runs the tests of a package, and fails them if they leave goroutines
// behind. Those of libp2p that nobody waits for end in their own time, which on a busy
// machine is more than the half second that goleak gives them.
func VerifyMain(m *testing.M) { goleak.VerifyTestMain(patient{m}) }

type patient struct{ *testing.M }

// Run returns when nothing is left behind, or will not end.
func (p patient) Run() int {
	code := p.M.Run()
	for until := time.Now().Add(leakPatience); code == 0 && goleak.Find() != nil && time.Now().Before(until); {
	}
	return code
}
