package leaktest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/protocol/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// ended are tests that have run.
type ended int

func (e ended) Run() int { return int(e) }

func TestLeaksFail(t *testing.T) {
	if code := leaktest.Checked(ended(3)).Run(); code != 3 {
		t.Errorf("tests that failed: %d", code)
	}
	late := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(late) })
	go func() { <-late }()
	if code := leaktest.Checked(ended(0)).Run(); code != 0 {
		t.Errorf("a goroutine that ends late: %d", code)
	}
	synctest.Test(t, func(t *testing.T) { // time passes as soon as everybody waits
		never := make(chan struct{})
		go func() { <-never }()
		if code := leaktest.Checked(ended(0)).Run(); code != 1 {
			t.Errorf("a goroutine that does not end: %d", code)
		}
		close(never)
	})
}
