package api

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

// Bounds of what listeners of one session share.
const (
	reelFrames = 1024 // kept of a session: the newest
	reelPage   = 200  // events read at once
)

// frame is one event as it is written to listeners.
type frame struct {
	seq  uint64
	data []byte
}

// reel is the events of one session in the form that its listeners get, so that
// each is read from disk and encoded once, however many listen.
type reel struct {
	mu     sync.Mutex
	names  map[string]string
	frames []frame // all events above base
	base   uint64
	last   uint64 // the newest event read

	refs int // guarded by reels
}

// reelKey names a reel: who may not see who asked for things has one of their own.
type reelKey struct {
	session string
	public  bool
}

// reels are the reels that somebody reads.
type reels struct {
	mu  sync.Mutex
	all map[reelKey]*reel
}

// take returns the reel of a session; the caller gives it back with drop.
func (r *reels) take(key reelKey) *reel {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[reelKey]*reel)
	}
	one := r.all[key]
	if one == nil {
		one = &reel{names: make(map[string]string)}
		r.all[key] = one
	}
	one.refs++
	return one
}

func (r *reels) drop(key reelKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.all[key]; one.refs > 1 {
		one.refs--
		return
	}
	delete(r.all, key)
}

// frames returns events of a session above after, some or all of those up to its
// LastSeq; at least one if there is any.
func (s *server) frames(r *reel, session *registry.Session, public bool, after uint64) ([]frame, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.last < session.LastSeq {
		read, err := s.readFrames(session, public, r.last, r.names)
		if err != nil {
			return nil, err
		}
		if len(read) == 0 {
			break // they are pruned
		}
		r.add(read)
	}
	if after < r.base {
		return s.readFrames(session, public, after, make(map[string]string))
	}
	for i := range r.frames {
		if r.frames[i].seq > after {
			return r.frames[i:len(r.frames):len(r.frames)], nil // add does not write into what is there
		}
	}
	return nil, nil
}

func (r *reel) add(read []frame) {
	r.frames = append(r.frames, read...)
	r.last = read[len(read)-1].seq
	if extra := len(r.frames) - reelFrames; extra > 0 {
		r.base, r.frames = r.frames[extra-1].seq, r.frames[extra:]
	}
}

func (s *server) readFrames(session *registry.Session, public bool, after uint64, names map[string]string) ([]frame, error) {
	events, err := s.cfg.Registry.Events(registry.SessionStream(session.ID), after, reelPage)
	if err != nil {
		return nil, err
	}
	frames := make([]frame, len(events))
	for i := range events {
		e := &events[i]
		v := s.eventView(e, session, names)
		if public {
			v.Actor = nil
		}
		data, err := encodeEvent(string(e.Type), e.Seq, v)
		if err != nil {
			return nil, err
		}
		frames[i] = frame{e.Seq, data}
	}
	return frames, nil
}

// encodeEvent writes a server-sent event; without a seq it does not move the
// caller's Last-Event-ID.
func encodeEvent(kind string, seq uint64, v any) ([]byte, error) {
	data, err := json.Marshal(v) // one line: JSON escapes line breaks
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", kind, err)
	}
	if seq == 0 {
		return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, data), nil
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", seq, kind, data), nil
}
