package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// Times of presignatures.
const (
	presignTimeout   = time.Minute            // to make one
	presignedTimeout = 15 * time.Second       // an attempt that uses one: its rounds take milliseconds
	presignMargin    = 30 * time.Second       // before its parties forget it: one so old is not used
	presignAway      = 30 * time.Second       // a party that is away so long is not waited for
	presignQuiet     = 250 * time.Millisecond // without a session, before one is made
	presignSweep     = time.Second            // between looks at what there is
	presignInUse     = 10 * time.Minute       // after a signing the account counts as in use
	restFirst        = 500 * time.Millisecond // before a party that was busy is asked again
	restMost         = 30 * time.Second
	maxPresigning    = 4 // at a time
)

// presignature is one that all of its parties hold, or are about to.
type presignature struct {
	sid     protocol.SID // of the presigning
	account string
	epoch   uint32
	parties []registry.Party           // the roster, in order
	boots   map[protocol.PeerID]uint64 // of their processes: a restart loses it
	until   time.Time                  // it is not used later
}

func (p *presignature) has(peer protocol.PeerID) bool {
	return slices.ContainsFunc(p.parties, func(x registry.Party) bool { return x.Peer == peer })
}

// shelf is what an account has.
type shelf struct {
	ready  []*presignature // oldest first
	making int
	used   time.Time        // last signing; zero: none since the start
	set    []registry.Party // who presigns for it, as long as they are there
	turn   uint32           // varies the choice of the set: the last one failed
}

// stock is this coordinator's presignatures. They are in memory only: a new process
// knows none, has its parties forget theirs, and so can never name one again that was
// named in a spec. Each leaves its shelf before it is named.
type stock struct {
	e    *Engine
	wake chan struct{} // there may be something to do

	mu      sync.Mutex
	shelves map[string]*shelf // by account
	making  map[protocol.SID]*presigning
	ready   map[protocol.SID]*presignature // all on shelves
	greeted map[protocol.PeerID]bool       // true: it has forgotten what an earlier process had it make
	pauses  map[string]*pause
	counts  PresignCounts
}

// PresignCounts counts presignatures.
type PresignCounts struct {
	Held    int    // wait for requests
	Used    uint64 // named in a signing
	Missed  uint64 // of those, signings that ran all rounds after all
	Expired uint64 // dropped without use: too old, of a party that left or was restarted, or too many
}

func newStock(e *Engine) *stock {
	return &stock{
		e: e, wake: make(chan struct{}, 1), shelves: make(map[string]*shelf), making: make(map[protocol.SID]*presigning),
		ready: make(map[protocol.SID]*presignature), greeted: make(map[protocol.PeerID]bool), pauses: make(map[string]*pause),
	}
}

// Presignatures counts what there is, and what became of what there was.
func (e *Engine) Presignatures() PresignCounts {
	s := e.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Held = len(s.ready)
	return c
}

// wakeUp makes run look what there is to do.
func (s *stock) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// count returns how many an account has.
func (s *stock) count(account string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh := s.shelves[account]; sh != nil {
		return len(sh.ready)
	}
	return 0
}

// of returns an account's shelf. The caller holds s.mu.
func (s *stock) of(account string) *shelf {
	sh := s.shelves[account]
	if sh == nil {
		sh = &shelf{}
		s.shelves[account] = sh
	}
	return sh
}

// used takes note that an account signs.
func (s *stock) used(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(account).used = time.Now()
}

// take takes an account's oldest presignature off its shelf for which fits holds, nil
// if there is none. Nobody else gets it.
func (s *stock) take(account string, fits func(*presignature) bool) *presignature {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, now := s.shelves[account], time.Now()
	if sh == nil {
		return nil
	}
	i := slices.IndexFunc(sh.ready, func(p *presignature) bool { return now.Before(p.until) && fits(p) })
	if i < 0 {
		return nil
	}
	p := sh.ready[i]
	sh.ready = slices.Delete(sh.ready, i, i+1)
	delete(s.ready, p.sid)
	s.counts.Used++
	return p
}

// putBack puts one back on its shelf that was taken and not named.
func (s *stock) putBack(p *presignature) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.of(p.account)
	sh.ready = slices.Insert(sh.ready, 0, p)
	s.ready[p.sid] = p
	s.counts.Used--
}

// drop takes presignatures off the shelves, all for which picked says why, and has
// their parties forget them. The caller holds s.mu.
func (s *stock) drop(picked func(*presignature) string) {
	for _, sh := range s.shelves {
		sh.ready = slices.DeleteFunc(sh.ready, func(p *presignature) bool {
			reason := picked(p)
			if reason == "" {
				return false
			}
			delete(s.ready, p.sid)
			s.counts.Expired++
			s.e.forgetPresignature(p, reason)
			return true
		})
	}
}

// forgetPresignature tells those who may hold a presignature that it is of no use.
func (e *Engine) forgetPresignature(p *presignature, reason string) {
	for _, x := range p.parties {
		if known, ok := e.cfg.Pool.Party(x.Peer); ok && known.Live { // it is gone with one who was restarted, or soon with its time
			e.send(x.Peer, protocol.Frame{Cancel: &protocol.Cancel{SID: p.sid, Reason: reason}})
		}
	}
}

// sweep drops what can no longer be used, or is more than the account keeps.
func (s *stock) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := make(map[string]int)
	s.drop(func(p *presignature) string {
		a := s.e.cfg.Registry.Account(p.account)
		if reason := s.e.spoilt(p, a, now); reason != "" {
			return reason
		}
		if left[p.account]++; left[p.account] > s.e.presignOf(a).Target {
			return "the account keeps fewer"
		}
		return ""
	})
	for _, m := range s.making {
		if reason := s.e.spoilt(m.presignature, s.e.cfg.Registry.Account(m.account), now); reason != "" {
			m.end(&presignFailure{code: protocol.CodeCancelled, detail: reason})
		}
	}
	for id, sh := range s.shelves {
		if len(sh.ready) == 0 && sh.making == 0 && now.Sub(sh.used) > presignInUse && !s.e.asks(id) {
			delete(s.shelves, id)
		}
	}
	for of, p := range s.pauses {
		if now.Sub(p.until) > restMost {
			delete(s.pauses, of) // it was not needed for long: begin anew
		}
	}
}

// asks reports whether an account asks for presignatures itself.
func (e *Engine) asks(account string) bool {
	a := e.cfg.Registry.Account(account)
	return a != nil && a.Presign != nil && a.Presign.Target > 0
}

// isAway reports whether a party has sent no heartbeat for so long that it is not waited for.
func isAway(p pool.Party, now time.Time) bool { return now.Sub(p.Seen) > pool.Lifetime+presignAway }

// spoilt says why a presignature cannot be used any more; empty: it can.
func (e *Engine) spoilt(p *presignature, a *registry.Account, now time.Time) string {
	switch {
	case !p.until.IsZero() && !now.Before(p.until):
		return "it is too old"
	case a == nil || a.Epoch != p.epoch:
		return "the key has new shares"
	}
	may := presigners(a)
	for _, x := range p.parties {
		known, ok := e.cfg.Pool.Party(x.Peer)
		switch {
		case !ok || isAway(known, now):
			return "party " + x.Name + " is away"
		case known.Boot != p.boots[x.Peer]:
			return "party " + x.Name + " was restarted"
		case !slices.Contains(may, x):
			return "party " + x.Name + " does not sign for the account any more"
		}
	}
	return ""
}
