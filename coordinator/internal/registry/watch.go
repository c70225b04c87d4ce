package registry

// Watch returns a channel that is closed when the next event of stream is
// durable. Look at the state after calling it, not before.
func (r *Registry) Watch(stream string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.watchers[stream]
	if w == nil {
		w = make(chan struct{})
		r.watchers[stream] = w
	}
	return w
}

// everything is the key of those who watch all streams.
const everything = ""

// WatchAll is Watch for the events of all streams.
func (r *Registry) WatchAll() <-chan struct{} { return r.Watch(everything) }

// wake tells who watches a stream. The caller holds mu.
func (r *Registry) wake(stream string) {
	if w := r.watchers[stream]; w != nil {
		close(w)
		delete(r.watchers, stream)
	}
}

// wakeIdle ends the waiting for streams in which nothing more is to come: their
// watchers look again, and those that nobody reads any more are gone.
func (r *Registry) wakeIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for stream := range r.watchers {
		if stream != everything && !r.view.open(stream) {
			r.wake(stream)
		}
	}
}
