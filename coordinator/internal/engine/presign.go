package engine

import (
	"slices"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// Times of presignatures.
const (
	presignTimeout   = time.Minute            // to make one
	presignedTimeout = 15 * time.Second       // an attempt that uses one: its rounds take milliseconds
	fullBegins       = 5 * time.Second        // for a full attempt after that to be proposed to all
	presignMargin    = 30 * time.Second       // before its parties forget it: one so old is not used
	presignAway      = 30 * time.Second       // a party that is away so long is not waited for
	presignQuiet     = 250 * time.Millisecond // without a session, before one is made
	presignSweep     = time.Second            // between looks at what there is
	presignInUse     = 10 * time.Minute       // after a signing the account counts as in use
	restFirst        = 500 * time.Millisecond // before a party that was busy is asked again
	restMost         = 30 * time.Second
	distrustFirst    = 10 * time.Second // before a party is asked again that has spoilt what was made with it
	distrustMost     = 10 * time.Minute
	starvedFor       = 5 * time.Second  // without quiet, and with
	starvedSessions  = 8                // attempts since: then one is made between two sessions
	takenFor         = time.Minute      // a party may say once more that it holds one that is used already
	enoughLosses     = 3                // signings of an account in a row that a party had no room for: then others presign
	lossesApart      = time.Second      // who is busy is so for all signings of a moment: they are one
	lossesLast       = 10 * time.Minute // what is longer ago is forgotten: a party may be started anew now and then
	maxPresigning    = 4                // at a time
	maxLooks         = 256              // accounts of those most in need that a look goes through, and as many others
	fullParty        = 256              // a party that holds so many of ours may be busy because of them
	fullAfter        = 8 * restFirst    // or one that is busy again and again, and in no session: the pause that it is at then
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
	used   time.Time               // last signing; zero: none since the start
	set    []registry.Party        // who presigns for it, as long as they are there
	turn   uint32                  // varies the choice of the set: the last one failed
	failed map[protocol.PeerID]int // sets with this party that have failed
	losses map[protocol.PeerID]losses
}

// losses are an account's presignatures, one after the other, that a party had no room to use, or was not there for.
type losses struct {
	n    int
	last time.Time
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
	taken   map[protocol.SID]*use          // lately off their shelves, to be used
	greeted map[protocol.PeerID]bool       // true: it has forgotten what an earlier process had it make
	load    map[protocol.PeerID]int        // sets that a party is in
	pauses  map[string]*pause
	cursor  int // in the list of those less in need
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
		taken: make(map[protocol.SID]*use), load: make(map[protocol.PeerID]int),
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

// assign says who presigns for an account; nil: nobody yet. The caller holds s.mu.
func (s *stock) assign(sh *shelf, set []registry.Party) {
	for _, p := range sh.set {
		if s.load[p.Peer]--; s.load[p.Peer] <= 0 {
			delete(s.load, p.Peer)
		}
	}
	for _, p := range set {
		s.load[p.Peer]++
	}
	sh.set = set
}

// turnAway lets others presign for an account: its set has failed. The caller holds s.mu.
func (s *stock) turnAway(sh *shelf, failed ...protocol.PeerID) {
	s.assign(sh, nil)
	sh.turn++
	if sh.failed == nil {
		sh.failed = make(map[protocol.PeerID]int)
	}
	for _, peer := range failed {
		sh.failed[peer]++
	}
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
	s.taken[p.sid] = &use{presignature: p, at: now}
	return p
}

// putBack puts one back on its shelf that was taken and not named, unless a party has dropped it meanwhile.
func (s *stock) putBack(p *presignature) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.taken[p.sid]; u != nil && len(u.dropped) > 0 {
		delete(s.taken, p.sid)
		s.counts.Expired++
		s.e.forgetPresignature(p, noRoomForIt)
		return
	}
	sh := s.of(p.account)
	sh.ready = slices.Insert(sh.ready, 0, p)
	s.ready[p.sid] = p
	delete(s.taken, p.sid)
}

// named counts a presignature that a signing names now.
func (s *stock) named() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Used++
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
