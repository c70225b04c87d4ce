package registry

// LastSeq returns the sequence number of the last durable event, which is the
// number of events that there ever were.
func (r *Registry) LastSeq() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.view.lastSeq
}
