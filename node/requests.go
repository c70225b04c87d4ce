package node

import (
	"context"
	"sync"

	"github.com/meshmpc/mpcd/protocol"
)

// requests are the requests that this party has accepted. What is known of them is in
// the store, and here while it is on its way there.
type requests struct {
	moving sync.Mutex // held over reading the horizon and moving it

	mu      sync.Mutex
	writing map[string]*writing // by request id
	held    map[string]*hold    // by request id
	writers sync.WaitGroup
}

// hold is one request's lock, while somebody has it or waits for it.
type hold struct {
	taken chan struct{} // full while somebody has it
	users int           // guarded by requests.mu
}

// writing is what is being made durable of a request.
type writing struct {
	request request
	done    chan struct{} // closed at the end
	err     error         // what came of it, after done
}

// hold waits until nobody else looks at what is known of a request and changes that;
// the caller may until it calls release. Different requests do not wait for each other.
func (r *requests) hold(id string) (release func()) {
	r.mu.Lock()
	h := r.use(id)
	r.mu.Unlock()
	h.taken <- struct{}{}
	return func() { r.release(id, h) }
}

// tryHold is hold if nobody else holds the request or waits for it.
func (r *requests) tryHold(id string) (release func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[id] != nil {
		return nil, false
	}
	h := r.use(id)
	h.taken <- struct{}{} // nobody else knows it yet
	return func() { r.release(id, h) }, true
}

// use returns the lock of a request for one more user. The caller holds mu.
func (r *requests) use(id string) *hold {
	if r.held == nil {
		r.held = make(map[string]*hold)
	}
	h := r.held[id]
	if h == nil {
		h = &hold{taken: make(chan struct{}, 1)}
		r.held[id] = h
	}
	h.users++
	return h
}

func (r *requests) release(id string, h *hold) {
	<-h.taken
	r.mu.Lock()
	defer r.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(r.held, id)
	}
}

// underWay returns what is being written of a request; nil if nothing is.
func (r *requests) underWay(id string) *writing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writing[id]
}

// begin makes w what is known of a request; save makes that durable, after what was
// known before.
func (r *requests) begin(id string, w *writing, save func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	previous := r.writing[id]
	if r.writing == nil {
		r.writing = make(map[string]*writing)
	}
	r.writing[id] = w
	r.writers.Go(func() {
		if previous != nil {
			<-previous.done
		}
		w.err = save()
		r.mu.Lock()
		if r.writing[id] == w {
			delete(r.writing, id)
		}
		r.mu.Unlock()
		close(w.done)
	})
}

// remembered returns when the session's request is durable. The disk works on it while
// the session begins. Of a session whose request is not, nothing ever leaves: another one
// of the same id may be accepted later, with other random numbers, and the two would
// contradict each other.
func (c *ceremony) remembered(ctx context.Context) error {
	w := c.request
	if w == nil {
		return nil
	}
	select {
	case <-w.done:
	default:
		select {
		case <-w.done:
		case <-ctx.Done():
			c.silence()
			return context.Cause(ctx)
		}
	}
	if w.err != nil {
		c.silence()
		return refuse(protocol.CodeStorage, "the request could not be recorded: %w", w.err)
	}
	c.request = nil
	return nil
}

// silence makes the session say nothing to its members, now and later.
func (c *ceremony) silence() {
	if c.session != nil {
		c.session.Silence()
	}
}
