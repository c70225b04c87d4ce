package node

import (
	"maps"
	"sync"

	"golang.org/x/time/rate"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what one peer may ask and answer about keys whose keygen was
// interrupted: each costs a read of the store. After a crash a
// member asks about every session that it was in, four times a second.
const (
	endorseEvery = 64 // a second
	endorseBurst = 256
	maxPaces     = 1024 // peers, before those that have been quiet are forgotten
)

// paces bounds how often each peer may do something.
type paces struct {
	limit rate.Limit
	burst int

	mu sync.Mutex
	of map[protocol.PeerID]*rate.Limiter
}

func newPaces(limit rate.Limit, burst int) *paces {
	return &paces{limit: limit, burst: burst, of: make(map[protocol.PeerID]*rate.Limiter)}
}

func (p *paces) allow(peer protocol.PeerID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of[peer] == nil {
		if len(p.of) >= maxPaces {
			maps.DeleteFunc(p.of, func(_ protocol.PeerID, l *rate.Limiter) bool { return l.Tokens() >= float64(p.burst) })
		}
		p.of[peer] = rate.NewLimiter(p.limit, p.burst)
	}
	return p.of[peer].Allow()
}
