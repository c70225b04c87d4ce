package api

import (
	"fmt"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/access"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// callers counts the streams of each caller.
type callers struct {
	mu sync.Mutex
	n  map[string]int
}

// add counts one more stream of a caller, unless it has as many as it may.
func (c *callers) add(caller string, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]int)
	}
	if c.n[caller] >= limit {
		return false
	}
	c.n[caller]++
	return true
}

func (c *callers) drop(caller string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n[caller]--; c.n[caller] <= 0 {
		delete(c.n, caller)
	}
}

// enter counts a stream that begins; leave ends it. A device keeps its place when
// it gets another token, so that it cannot have more of them.
func (s *streams) enter(c *access.Caller) (leave func(), p *rest.Problem) {
	caller, limit, whose := "key/"+c.KeyID, s.perKey, "this API key"
	if c.Session != "" {
		caller, limit, whose = "join/"+c.Session+"/"+c.Peer, s.perJoin, "this device"
	}
	if !s.callers.add(caller, limit) {
		return nil, tooManyStreams("%s listens to %d streams of events, and may have no more: end one, or ask for the list", whose, limit)
	}
	if s.open.Add(1) > int64(s.max) {
		s.open.Add(-1)
		s.callers.drop(caller)
		return nil, tooManyStreams("%d callers listen to events, and no more can: ask for the list, or try again later", s.max)
	}
	return func() {
		s.open.Add(-1)
		s.callers.drop(caller)
	}, nil
}

func tooManyStreams(format string, args ...any) *rest.Problem {
	p := newProblem(codeStreams, fmt.Sprintf(format, args...))
	p.RetryAfter = int(streamBeat / time.Second)
	return p
}
