package node

import (
	"slices"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of presignatures.
const (
	DefaultMaxPresignatures = 1024 // of all keys
	MaxPresignaturesPerKey  = 256
	maxHold                 = 24 * time.Hour // after the presigning's deadline
)

// presignature is a held result of a presigning: it may make one signature, for the
// coordinator that proposed the presigning, with the same members and key.
type presignature struct {
	sid     protocol.SID   // of the presigning
	spec    *protocol.Spec // of the presigning
	made    protocol.SID   // of the session that made the key's epoch
	machine binder
	number  uint64    // in the order in which they were held
	until   time.Time // by the wall clock, as the presigning's spec says
	ends    time.Time // the same moment by a clock that nobody sets back, see lifeUntil
	quiet   time.Time // while it is made: when a step last saw a quiet moment, or the first began to wait
}

// lifeUntil returns the end of a life both as the wall clock tells it and as a moment
// of the monotonic clock, which package time compares whenever it can. The first of the
// two ends it: one clock may be set back, the other stands still while a machine sleeps.
func lifeUntil(unix int64) (wall, monotonic time.Time) {
	wall = time.Unix(unix, 0)
	return wall, time.Now().Add(time.Until(wall))
}

// over tells whether a presignature's time is up.
func (x *presignature) over(now time.Time) bool { return !now.Before(x.until) || !now.Before(x.ends) }

// A binder is what waits for its message: *tss.Presign.
type binder interface {
	// Bind uses it up for one digest, and returns the machine of the rounds that are left.
	Bind(digest []byte) (protocol.Machine, error)
	// Drop forgets its secrets, unless it is bound.
	Drop()
}

// presigns are the presignatures that this party holds, in memory only: nothing of
// them is ever written, so none outlives the process. What is taken never comes back.
type presigns struct {
	changed func()

	mu     sync.Mutex
	held   map[protocol.SID]*presignature
	number uint64
	all    shares
	ofKey  map[string]shares
	latest map[string]latestEpoch // of the keys that had a new epoch while this process runs
	closed bool
}

// latestEpoch is a key's, and the session that made it.
type latestEpoch struct {
	epoch uint32
	made  protocol.SID
}

func newPresigns(changed func()) *presigns {
	return &presigns{changed: changed, held: make(map[protocol.SID]*presignature), all: make(shares), ofKey: make(map[string]shares), latest: make(map[string]latestEpoch)}
}

// put holds a presignature; it reports false when nothing is held any more, or nothing of
// this epoch of the key.
func (p *presigns) put(x *presignature) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.held[x.sid] != nil || p.outdated(x) {
		return false
	}
	p.held[x.sid] = x
	p.number++
	x.number = p.number
	of := p.ofKey[x.spec.Key]
	if of == nil {
		of = make(shares)
		p.ofKey[x.spec.Key] = of
	}
	p.all[x.spec.Coordinator]++
	of[x.spec.Coordinator]++
	p.changed()
	return true
}

// check tells whether the presignature that a signing names is here for it: of the
// same coordinator, members, key and epoch. made is the session that made the key's epoch.
func (p *presigns) check(s *protocol.Spec, made protocol.SID, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.find(s, made, now)
	return err
}

// take hands the presignature that a signing names over to it: of two that name the same
// one, the second comes too late.
func (p *presigns) take(s *protocol.Spec, made protocol.SID, now time.Time) (binder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, err := p.find(s, made, now)
	if err != nil {
		return nil, err
	}
	p.remove(x)
	return x.machine, nil
}

// find returns the presignature that a signing names. The caller holds mu.
func (p *presigns) find(s *protocol.Spec, made protocol.SID, now time.Time) (*presignature, error) {
	x := p.held[protocol.SID(s.Presign)]
	switch {
	case x == nil:
		return nil, refuse(protocol.CodeNoPresign, "the presignature is not here: it was used, dropped, has expired, or was lost with a restart")
	case x.over(now):
		return nil, refuse(protocol.CodeNoPresign, "the presignature expired at %s", x.until.UTC().Format(time.RFC3339))
	case !x.fits(s, made):
		return nil, refuse(protocol.CodeNoPresign, "the presignature is of another coordinator, key, epoch or roster")
	}
	return x, nil
}

// fits tells whether a presignature was made for such a signing.
func (x *presignature) fits(s *protocol.Spec, made protocol.SID) bool {
	return x.spec.Coordinator == s.Coordinator && x.spec.Key == s.Key && x.spec.Epoch == s.Epoch && x.made == made &&
		slices.Equal(x.spec.Roster, s.Roster) && slices.Equal(x.spec.Path, s.Path)
}

// remove takes a presignature out. The caller holds mu.
func (p *presigns) remove(x *presignature) {
	delete(p.held, x.sid)
	p.all.less(x.spec.Coordinator)
	if of := p.ofKey[x.spec.Key]; of.less(x.spec.Coordinator) && len(of) == 0 {
		delete(p.ofKey, x.spec.Key)
	}
	p.changed()
}

// drop forgets the presignatures that match, with their secrets.
func (p *presigns) drop(why string, match func(*presignature) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dropped := 0
	for _, x := range p.held {
		if match(x) {
			p.remove(x)
			x.machine.Drop()
			dropped++
		}
	}
	if dropped > 0 {
		log.Infow("presignatures were dropped", "why", why, "count", dropped, "left", len(p.held))
	}
}

// expire forgets what has been held for as long as it may.
func (p *presigns) expire(now time.Time) {
	p.drop("their time is up", func(x *presignature) bool { return x.over(now) })
}

// rekeyed forgets what was made with an earlier epoch of a key than the one that is active
// now. Nothing of it is held any more.
func (p *presigns) rekeyed(s *protocol.Spec) {
	if s.Epoch == 0 {
		return // there is none before it
	}
	p.mu.Lock()
	if s.Epoch >= p.latest[s.Key].epoch {
		p.latest[s.Key] = latestEpoch{s.Epoch, s.SID()}
	}
	p.mu.Unlock()
	p.drop("the key has a new epoch", p.outdated)
}

// outdated tells whether a presignature was made with another epoch of its key than the
// latest. The caller holds mu.
func (p *presigns) outdated(x *presignature) bool {
	latest, rekeyed := p.latest[x.spec.Key]
	return rekeyed && x.made != latest.made
}

// close forgets everything, for good.
func (p *presigns) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.drop("this party is shutting down", func(*presignature) bool { return true })
}

// count returns how many are held.
func (p *presigns) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}
