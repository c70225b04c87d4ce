package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

const (
	schedules       = 6
	scheduleSteps   = 10
	scheduleParties = 4 // the last one is a delegate
)

// schedule plays attempts at one key in a random order of proposals, kills, starts
// and questions, and watches what every party has ever said and saved.
type schedule struct {
	t      *testing.T
	c      *cluster
	random *rand.Rand
	specs  []*protocol.Spec                           // attempts
	bodies map[protocol.SID]*protocol.CertificateBody // of those that somebody has finished
	saved  map[protocol.SID]map[p2p.PeerID]bool       // a pending share: from then on it may sign
	never  map[protocol.SID]map[p2p.PeerID]bool       // its own word that it never will
	dead   map[int]bool

	plans [scheduleParties]atomic.Pointer[plan] // of each party's present life

	killing sync.Mutex
	lives   map[int]int // how often each party was started anew
}

// plan is how a life of a party ends.
type plan struct {
	die  bool // at that moment, or never
	at   moment
	life int
	gone atomic.Bool // it was killed before a save came to its end
}

func (s *schedule) logf(format string, args ...any) { s.t.Logf(format, args...) }

// note records a fact about a party and checks it against the other ones.
func (s *schedule) note(facts map[protocol.SID]map[p2p.PeerID]bool, sid protocol.SID, peer p2p.PeerID) {
	if facts[sid] == nil {
		facts[sid] = make(map[p2p.PeerID]bool)
	}
	facts[sid][peer] = true
	if s.saved[sid][peer] && s.never[sid][peer] {
		s.t.Errorf("party %s has saved a share of %s and says that it will never sign", peer, sid.Short())
	}
}

// kill kills a party in its present life, and does nothing to a later one: what has
// been armed in one may come due after the party was started anew.
func (s *schedule) kill(i, life int) {
	s.killing.Lock()
	defer s.killing.Unlock()
	if s.lives[i] == life {
		s.c.parties[i].Kill()
	}
}

// watch has every life of a party say what it saves, and end as it is planned. Sessions
// save at the same time, and while others are planned.
func (s *schedule) watch(i int) {
	p := s.c.parties[i]
	p.onSave = func(save *protocol.Save, done bool) error {
		plan := s.plans[i].Load()
		if plan.gone.Load() {
			return errKilled
		}
		sid := save.Key.Spec.SID()
		s.c.coord.mu.Lock()
		body := bodyOf(save.Key)
		s.bodies[sid] = &body
		if !save.Active && done {
			s.note(s.saved, sid, p.ID())
		}
		s.c.coord.mu.Unlock()
		if !plan.die || save.Active != plan.at.active || done != plan.at.done {
			return nil
		}
		if plan.at.after > 0 {
			time.AfterFunc(plan.at.after/10, func() { s.kill(i, plan.life) })
			return nil
		}
		plan.gone.Store(true)
		s.kill(i, plan.life)
		return errKilled
	}
	s.plans[i].Store(new(plan))
	p.node.crash = p.onSave // it has nothing to save yet
}

// arm gives a party a random moment at which it is killed, or none.
func (s *schedule) arm(i int, die bool) {
	m := moments[0] // before its share is on disk: what leaves orphans at the others
	if s.random.IntN(2) == 0 {
		m = moments[s.random.IntN(len(moments))]
	}
	s.plans[i].Store(&plan{die: die, at: m, life: s.lives[i]})
}

// propose begins the next attempt with three of the parties, and lets some of them die.
func (s *schedule) propose() *protocol.Spec {
	spec := s.c.coord.keygen(protocol.EdDSA, 2, nil)
	if n := len(s.specs); n > 0 {
		spec = retry(s.specs[n-1])
	}
	out := s.random.IntN(scheduleParties)
	spec.Roster = nil
	for i, peer := range s.c.peers() {
		switch {
		case i == out:
			continue
		case i == scheduleParties-1:
			spec.Roster = append(spec.Roster, protocol.Member{Peer: peer, Role: protocol.Delegate})
		default:
			spec.Roster = append(spec.Roster, protocol.Member{Peer: peer, Role: protocol.Persistent})
		}
		if !s.dead[i] {
			die := s.random.IntN(3) == 0
			s.arm(i, die)
			if die {
				s.dead[i] = true // sooner or later; it is started anew in any case
			}
		}
	}
	s.specs = append(s.specs, spec)
	s.logf("attempt %d without party %d, dead or dying: %v", spec.Attempt, out, s.dead)
	s.c.coord.propose(spec)
	return spec
}

// ask asks a living party about every attempt, as another member does.
func (s *schedule) ask(i int) {
	p := s.c.parties[i]
	for _, spec := range s.specs {
		s.c.coord.mu.Lock()
		body := s.bodies[spec.SID()]
		s.c.coord.mu.Unlock()
		if body == nil || roleIn(spec, p.ID()) == "" {
			continue
		}
		for _, m := range p.node.others(spec) {
			e := &protocol.Endorse{Certificate: protocol.Certificate{Body: *body, Signatures: make([][]byte, len(body.Roster))}, Spec: spec}
			reply, err := p.node.takeEndorsement(s.t.Context(), m.Peer, e)
			if err != nil && !errors.Is(err, errKilled) {
				s.t.Errorf("party %d: %v", i, err)
			}
			s.c.coord.mu.Lock()
			if reply != nil && reply.Abandon != nil {
				s.note(s.never, spec.SID(), reply.Abandon.Party)
			}
			s.c.coord.mu.Unlock()
		}
	}
}

// revive starts a party anew, dead or not.
func (s *schedule) revive(i int) {
	s.logf("party %d starts", i)
	p := s.c.parties[i]
	s.killing.Lock()
	s.lives[i]++
	s.killing.Unlock()
	p.kill()
	s.arm(i, false)
	p.revive()
	delete(s.dead, i)
	for _, other := range s.c.hosts() {
		if other != p.Node { // who is dead is not reached
			ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
			p.Reach(ctx, other) //nolint:errcheck // it is dead, or will be
			cancel()
		}
	}
}

func (s *schedule) play() {
	for range scheduleSteps {
		switch i := s.random.IntN(scheduleParties); s.random.IntN(5) {
		case 0, 1:
			for i := range s.c.parties {
				if s.dead[i] && s.random.IntN(2) == 0 {
					s.revive(i)
				}
			}
			spec := s.propose()
			<-time.After(time.Duration(s.random.IntN(3000)) * time.Millisecond)
			for _, m := range spec.Roster { // some may not hear of it
				if s.random.IntN(4) > 0 {
					s.c.coord.send(m.Peer, protocol.Frame{Cancel: &protocol.Cancel{SID: spec.SID(), Reason: "given up"}})
				}
			}
		case 2:
			s.revive(i)
		case 3:
			<-time.After(time.Duration(s.random.IntN(90)) * time.Second)
		case 4:
			if !s.dead[i] {
				s.ask(i)
			}
		}
	}
}

// settled waits until no party holds a pending share, once everybody is back.
func (s *schedule) settled() {
	for i := range s.c.parties {
		s.revive(i)
	}
	s.c.net.Mesh(s.c.hosts()...)
	for i, p := range s.c.parties {
		eventually(s.t, fmt.Sprintf("party %d has no pending share", i), func() bool {
			_, state := p.attemptOf(s.t, s.specs[0])
			return state != keystore.StatePending
		})
	}
	for i := range s.c.parties {
		s.ask(i)
	}
}

// active returns the attempt that is a key. All its members have it, and nobody has
// a share of another one.
func (s *schedule) active() *protocol.Spec {
	holders := make(map[uint32]int)
	for _, p := range s.c.parties {
		if attempt, state := p.attemptOf(s.t, s.specs[0]); state == keystore.StateActive {
			holders[attempt]++
		}
	}
	if len(holders) == 0 {
		return nil
	}
	for attempt, n := range holders {
		spec := s.specs[attempt-1]
		if n != len(spec.Roster) || len(holders) > 1 {
			s.t.Errorf("shares in use, by attempt: %v", holders)
		}
		return spec
	}
	return nil
}

// In any order of proposals, kills and starts: nobody both signs an attempt's
// certificate and says that it never will; when all are back, one attempt is a key of all its
// members or there is none, nobody holds a pending share, and the next attempt succeeds.
func TestAnyOrderOfKillsAndAttempts(t *testing.T) {
	seed, dropped, made := rand.Uint64(), 0, 0
	t.Logf("seed %d", seed)
	for i := range uint64(schedules) {
		t.Run(fmt.Sprintf("seed %d.%d", seed, i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &schedule{
					t: t, random: rand.New(rand.NewPCG(seed, i)), dead: make(map[int]bool), lives: make(map[int]int),
					c:      newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, scheduleParties, nil),
					bodies: make(map[protocol.SID]*protocol.CertificateBody),
					saved:  make(map[protocol.SID]map[p2p.PeerID]bool), never: make(map[protocol.SID]map[p2p.PeerID]bool),
				}
				for i := range s.c.parties {
					s.watch(i)
				}
				s.propose()
				s.play()
				s.settled()
				for _, p := range s.c.parties {
					words, err := p.store.List(t.Context(), kindAbandon)
					if err != nil {
						t.Fatal(err)
					}
					dropped += len(words)
				}
				if key := s.active(); key != nil {
					s.logf("attempt %d is the key", key.Attempt)
					made++
					return
				}
				last := retry(s.specs[len(s.specs)-1])
				last.Roster = members(s.c.peers(0, 1, 2))
				s.specs = append(s.specs, last)
				s.logf("no key: one more attempt")
				certificate(t, s.c.coord.run(last))
				if s.active() != last {
					t.Error("the last attempt is not the key")
				}
			})
		})
	}
	t.Logf("%d keys made, %d shares dropped", made, dropped)
}
