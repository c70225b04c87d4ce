package p2p

import (
	"context"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// slowStream is a stream that takes a second to set a deadline that is past.
type slowStream struct {
	network.Stream
	writing func()

	mu       sync.Mutex
	deadline time.Time
}

func (s *slowStream) SetWriteDeadline(t time.Time) error {
	if t.Before(time.Now()) {
		time.Sleep(time.Second)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	return nil
}

func (s *slowStream) Write(data []byte) (int, error) {
	s.writing()
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().After(s.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return len(data), nil
}

func (s *slowStream) Reset() error { return nil }

// A call of Send that is cancelled when its frame has just been written leaves nothing
// behind that cuts short the next one on the stream.
func TestACancelledSendSparesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &slowStream{writing: func() { cancel(); synctest.Wait() }} // the past deadline is being set
		h, out := &Host{stats: &counters{}}, &outStream{s: s}
		if err := h.write(ctx, out, []byte("first")); err != nil {
			t.Fatalf("what was written before the deadline: %v", err)
		}
		s.writing = func() { time.Sleep(3 * time.Second) }
		if err := h.write(t.Context(), out, []byte("second")); err != nil {
			t.Errorf("the next write: %v", err)
		}
	})
}
