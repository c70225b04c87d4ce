package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakePart runs until it is told to stop, drains for a while, or fails.
type fakePart struct {
	drain   time.Duration
	fail    error
	running atomic.Bool
	onEnd   func()
}

func (f *fakePart) Run(ctx context.Context) error {
	if f.fail != nil {
		return f.fail
	}
	f.running.Store(true)
	<-ctx.Done()
	time.Sleep(f.drain)
	if f.onEnd != nil {
		f.onEnd()
	}
	f.running.Store(false)
	return nil
}

// TestServeOutlives checks that what a part rests on runs until it has drained.
func TestServeOutlives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, store := &fakePart{}, &fakePart{}
		part := &fakePart{drain: time.Second, onEnd: func() {
			if !host.running.Load() || !store.running.Load() {
				t.Error("the host or the store ended before the part had drained")
			}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- serve(ctx, part, host, store) }()
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("a graceful stop: %v", err)
		}
	})
}

// TestServeFails checks that a failure of either side ends the other.
func TestServeFails(t *testing.T) {
	broken := errors.New("broken")
	for name, parts := range map[string][2]*fakePart{
		"the part":         {{fail: broken}, {}},
		"what it rests on": {{}, {fail: broken}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := serve(t.Context(), parts[0], parts[1]); !errors.Is(err, broken) {
					t.Errorf("got %v, want %v", err, broken)
				}
			})
		})
	}
}

// TestExitCodes checks what scripts rely on.
func TestExitCodes(t *testing.T) {
	if got := exitCode(errors.New("disk on fire")); got != exitFailed {
		t.Errorf("a failure: exit code %d", got)
	}
	if got := exitCode(refusef("no such %s", "thing")); got != exitRefused {
		t.Errorf("a refusal: exit code %d", got)
	}
	if got := exitCode(errors.Join(nil, refuse(errors.New("no")))); got != exitRefused {
		t.Errorf("a joined refusal: exit code %d", got)
	}
	if refuse(nil) != nil {
		t.Error("no error must stay none")
	}
	if got := oneLine(errors.New("a\n  b\tc")); got != "a b c" {
		t.Errorf("one line: %q", got)
	}
}
