package engine

import (
	"sync"

	"github.com/meshmpc/mpcd/protocol"
)

// replies are the requests to delegates that wait for an answer.
type replies struct {
	mu      sync.Mutex
	waiting map[string]*awaited
}

type awaited struct {
	from protocol.PeerID
	ch   chan *protocol.ShareReply
}

// expect announces a request; its answer must come from the given party.
func (r *replies) expect(id string, from protocol.PeerID) <-chan *protocol.ShareReply {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = make(map[string]*awaited)
	}
	a := &awaited{from: from, ch: make(chan *protocol.ShareReply, 1)}
	r.waiting[id] = a
	return a.ch
}

func (r *replies) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, id)
}

// take hands an answer to who waits for it; copies and strangers' are dropped.
func (r *replies) take(from protocol.PeerID, reply *protocol.ShareReply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.waiting[reply.ID]
	if a == nil || a.from != from {
		log.Debugw("nobody waits for this reply", "party", from)
		return
	}
	select {
	case a.ch <- reply:
	default:
	}
}
