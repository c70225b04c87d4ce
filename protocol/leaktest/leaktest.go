// Package leaktest fails the tests of a package that leave goroutines behind.
package leaktest

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the tests. Those that nobody waits
// for, of sockets above all, end in their own time, and on a busy machine that is more than
// the half second for which goleak looks.
const patience = 20 * time.Second

// loaded are goroutines that libraries start when their package is loaded, for good.
var loaded = []goleak.Option{
	goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),           // badger
	goleak.IgnoreTopFunction("github.com/ipfs/go-log/writer.(*MirrorWriter).logRoutine"), // tss-lib
}

// Tests are those of a package, as *testing.M has them; Run returns their exit code.
type Tests interface{ Run() int }

// Main runs tests and exits: it is what a TestMain calls. Goroutines that match ignore may stay.
func Main(m Tests, ignore ...goleak.Option) {
	c := checked{m, append(ignore, loaded...)}
	goleak.VerifyTestMain(c, c.ignore...)
}

// Checked returns tests that also fail when they leave goroutines behind.
func Checked(m Tests, ignore ...goleak.Option) Tests {
	return checked{m, append(ignore, loaded...)}
}

type checked struct {
	Tests
	ignore []goleak.Option
}

func (c checked) Run() int {
	if code := c.Tests.Run(); code != 0 {
		return code
	}
	until := time.Now().Add(patience)
	for {
		err := goleak.Find(c.ignore...)
		if err == nil {
			return 0
		}
		if time.Now().After(until) {
			fmt.Fprintln(os.Stderr, "FAIL: goroutines are left after the tests:", err)
			return 1
		}
	}
}
