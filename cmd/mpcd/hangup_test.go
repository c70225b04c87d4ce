package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

func TestHangupReloads(t *testing.T) {
	reloads := make(chan struct{}, 1)
	stop := onHangup(func() { reloads <- struct{}{} })
	defer stop()
	for range 2 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		select {
		case <-reloads:
		case <-time.After(awaitLimit):
			t.Fatal("SIGHUP reloads nothing")
		}
	}
}
