package device

import (
	"context"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// declineGrace is how long a device that has said no stays to be heard: a
// connection that is closed at once takes the answer with it.
const declineGrace = 10 * time.Second

// refusal is a no of the user's, or of the device itself.
type refusal struct {
	said  chan struct{} // closed with it
	heard chan struct{} // closed when the coordinator has heard it

	mu  sync.Mutex
	err error
}

func newRefusal() *refusal {
	return &refusal{said: make(chan struct{}), heard: make(chan struct{})}
}

// say records why; the first one counts.
func (r *refusal) say(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
		close(r.said)
	}
}

// why is what was said, nil if nothing was.
func (r *refusal) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// hear looks for the answer among the session's events. It is called by one
// goroutine.
func (r *refusal) hear(e *rest.Event, self protocol.PeerID) {
	if e.Type != "party.refused" || e.Party == nil || e.Party.PeerID != self {
		return
	}
	select {
	case <-r.heard:
	default:
		close(r.heard)
	}
}

// leave returns what was said, once that was heard or the grace is over.
func (r *refusal) leave(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-r.said:
	}
	grace := time.NewTimer(declineGrace)
	defer grace.Stop()
	select {
	case <-ctx.Done():
	case <-r.heard:
	case <-grace.C:
	}
	return r.why()
}
