package p2p

import (
	"sync/atomic"
	"testing"
)

// A task's panic stays its own, close waits for the others, and nothing starts
// afterwards.
func TestTasks(t *testing.T) {
	var group taskGroup
	var ran atomic.Int32
	go1 := make(chan struct{})
	group.spawn(func() { panic("as asked") })
	group.spawn(func() { <-go1; ran.Add(1) })
	close(go1)
	group.close()
	group.spawn(func() { ran.Add(10) })
	group.close()
	if got := ran.Load(); got != 1 {
		t.Errorf("ran %d, want the one task before close", got)
	}
}
