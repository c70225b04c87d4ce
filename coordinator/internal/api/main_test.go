package api

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	ignore := []goleak.Option{goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon")}
	goleak.VerifyTestMain(patient{m, ignore}, ignore...)
}

// patient gives what the last tests have stopped the time to end that a busy machine needs: goleak looks for
// half a second only. What leaks is still there after it.
type patient struct {
	*testing.M
	ignore []goleak.Option
}

func (p patient) Run() int {
	code := p.M.Run()
	for range 20 {
		if code != 0 || goleak.Find(p.ignore...) == nil {
			break
		}
	}
	return code
}
