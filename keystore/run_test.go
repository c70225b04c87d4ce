package keystore

import (
	"context"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir(), Master: testMaster(t, "a7"), Party: testParty, GCEvery: time.Millisecond})
	noError(t, err)
	put(t, s, aRecord("a"))
	noError(t, s.collect(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	cancel()
	noError(t, <-done)

	go func() { done <- s.Run(t.Context()) }()
	noError(t, s.Close()) // while it collects
	wantError(t, <-done, ErrClosed)
}
