package coordinator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// The tests of this file run in virtual time: nobody is late who should not be.

// shuffle makes other parties than those that signed last seem to have less to do.
func (c *core) shuffle() {
	for _, p := range c.net.order {
		p.mu.Lock()
		p.busy = 100 * rand.IntN(4)
		p.mu.Unlock()
	}
	time.Sleep(150 * time.Millisecond) // until they have said so
}

// signTimes signs several times, because parties are chosen at random, and
// returns the sessions that took more than one attempt.
func (c *core) signTimes(n int, account string, attempts uint32) (hard []*registry.Session) {
	c.t.Helper()
	for i := 0; i < n || len(hard) == 0 && i < 100; i++ { // who signs is left to chance
		c.shuffle()
		s, took := c.finished(c.sign(account))
		if s.Status != registry.StatusCompleted || s.Attempt > attempts || took > 2*time.Second {
			c.t.Errorf("%s in attempt %d, at most %d are needed, after %v: %+v, blames %+v", s.Status, s.Attempt, attempts, took, s.Problem, s.Blames)
		}
		if s.Attempt > 1 {
			hard = append(hard, s)
		}
	}
	if len(hard) == 0 {
		c.t.Error("nobody ever failed")
	}
	return hard
}

func hasPart(s *registry.Session, p *party) bool {
	return slices.ContainsFunc(s.Members, func(m registry.Member) bool { return m.Peer == p.ID() })
}

// TestAccuserOfEverybody: a party's word shuts nobody out, and ends no session.
func TestAccuserOfEverybody(t *testing.T) {
	for n := 3; n <= 5; n++ {
		t.Run(fmt.Sprintf("%d-of-%d", n-1, n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCore(t, []string{"p1", "p2", "p3", "p4", "p5"}[:n]...)
				account := c.account(n-1, n)
				liar := c.net.party("p1")
				liar.set(script{blame: accuses(liar)})
				for _, s := range c.signTimes(20, account, uint32(n)) {
					if hasPart(s, liar) {
						t.Errorf("the accuser is in attempt %d, which succeeded", s.Attempt)
					}
					for _, b := range s.Blames {
						if b.By != liar.ID() || b.Proven || b.Reason != protocol.ReasonProof || b.SID == "" || b.Attempt == 0 {
							t.Errorf("blame %+v", b)
						}
					}
				}
			})
		})
	}
}

// TestAccuserOfOneByOne accuses one more member in each attempt.
func TestAccuserOfOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4", "p5")
		account := c.account(2, 5)
		liar := c.net.party("p1")
		liar.set(script{blame: func(s *protocol.Spec) *protocol.Failure {
			f := accuses(liar)(s)
			f.Culprits = f.Culprits[:1]
			return f
		}})
		for _, s := range c.signTimes(20, account, 2) { // both sides of the accusation can be left out
			if hasPart(s, liar) {
				t.Errorf("the accuser is in attempt %d, which succeeded", s.Attempt)
			}
		}
	})
}

// TestProvenCulpritIsLeftOut, whoever brings the evidence, and at once.
func TestProvenCulpritIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		culprit := c.net.party("p3")
		for _, p := range c.net.order[:2] {
			p.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p.ID(), sid) })})
		}
		culprit.set(script{blame: accuses(culprit)}) // a diversion
		for _, s := range c.signTimes(20, account, 2) {
			proven := slices.ContainsFunc(s.Blames, func(b registry.Blamed) bool { return b.Proven })
			if hasPart(s, culprit) || !proven || len(s.Blames) > 2 { // the diversion may come too late: nobody waits for who is proven
				t.Errorf("members %+v, blames %+v", s.Members, s.Blames)
			}
			for _, b := range s.Blames {
				if b.Proven != (b.Party == culprit.ID()) {
					t.Errorf("blame %+v", b)
				}
			}
		}
	})
}

// TestLateProof: evidence that comes after its attempt counts from the next choice
// on.
func TestLateProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		culprit := c.net.party("p3")
		for _, p := range c.net.order[:2] {
			p.set(script{late: time.Second, blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p.ID(), sid) })})
		}
		culprit.set(script{blame: func(*protocol.Spec) *protocol.Failure { return &protocol.Failure{Code: protocol.CodeProtocol} }})
		for range 20 {
			s, _ := c.finished(c.sign(account))
			time.Sleep(2 * time.Second)
			s = c.registry.Session(s.ID)
			late := len(s.Blames) > 0
			if s.Status != registry.StatusCompleted || s.Attempt > 1 && hasPart(s, culprit) || s.Attempt > 1 != late || late && (!s.Blames[0].Proven || s.Blames[0].Attempt != 1) {
				t.Errorf("%s in attempt %d: blames %+v", s.Status, s.Attempt, s.Blames)
			}
		}
	})
}

// TestForgedEvidence: what a party makes up of another is its word and no more.
func TestForgedEvidence(t *testing.T) {
	for name, forge := range map[string]func(liar, victim *party, sid protocol.SID) *protocol.Evidence{
		"a signature of its own": func(liar, victim *party, sid protocol.SID) *protocol.Evidence {
			v := contradicts(liar, liar.ID(), sid)
			v.Culprit = victim.ID()
			for i := range v.Exhibits {
				v.Exhibits[i].Header.From = victim.ID()
			}
			return v
		},
		"of another attempt": func(liar, victim *party, sid protocol.SID) *protocol.Evidence {
			sid[0] ^= 1
			return contradicts(victim, liar.ID(), sid)
		},
		"no contradiction": func(liar, victim *party, sid protocol.SID) *protocol.Evidence {
			v := contradicts(victim, liar.ID(), sid)
			v.Exhibits[1] = v.Exhibits[0]
			return v
		},
		"one message": func(liar, victim *party, sid protocol.SID) *protocol.Evidence {
			v := contradicts(victim, liar.ID(), sid)
			v.Reason, v.Exhibits = "made_up", v.Exhibits[:1]
			return v
		},
		"against a stranger": func(liar, _ *party, sid protocol.SID) *protocol.Evidence {
			return contradicts(&party{identity: liar.net.id}, liar.ID(), sid)
		},
		"against itself": func(liar, _ *party, sid protocol.SID) *protocol.Evidence { return contradicts(liar, liar.ID(), sid) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCore(t, "p1", "p2", "p3")
				account := c.account(2, 3)
				liar := c.net.party("p1")
				liar.set(script{blame: func(s *protocol.Spec) *protocol.Failure {
					i := slices.IndexFunc(c.net.order[1:], func(p *party) bool { return slices.Contains(s.Peers(), p.ID()) })
					victim := c.net.order[1+i]
					f := proves(victim, func(sid protocol.SID) *protocol.Evidence { return forge(liar, victim, sid) })(s)
					f.Reason = "made_up"
					return f
				}})
				for _, s := range c.signTimes(12, account, 3) {
					for _, b := range s.Blames {
						if b.Proven || b.By != liar.ID() || b.Reason != "unknown_reason" {
							t.Errorf("blame %+v", b)
						}
					}
				}
			})
		})
	}
}

// TestLargeEvidence: what is too large for the log proves all the same.
func TestLargeEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		culprit := c.net.party("p3")
		for _, p := range c.net.order[:2] {
			p.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence {
				e := protocol.Seal(culprit, protocol.Header{SID: sid, Type: protocol.TypeDigest, Round: 3, Name: "3", Seq: 9}, make([]byte, 100<<10))
				return &protocol.Evidence{
					Version: protocol.EvidenceVersion, Reason: protocol.ReasonFalseDigest, Culprit: culprit.ID(), By: p.ID(), SID: sid,
					Exhibits: []protocol.Exhibit{{Header: e.Header, Signature: e.Signature, Payload: e.Payload}},
				}
			})})
		}
		for _, s := range c.signTimes(12, account, 2) {
			whole, err := c.registry.Complete(s)
			if err != nil || len(whole.Blames) != 1 || !whole.Blames[0].Proven || whole.Blames[0].Evidence != nil || whole.Blames[0].Detail == "" || hasPart(s, culprit) {
				t.Errorf("blames %+v, %v", whole.Blames, err)
			}
		}
	})
}

// TestSeveralAccusersOfOne: who is named by several is left out before they are.
func TestSeveralAccusersOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4", "p5")
		account := c.account(4, 5)
		culprit := c.net.party("p3")
		for _, p := range c.net.order {
			if p != culprit {
				p.set(script{blame: accuses(p, culprit)})
			}
		}
		for _, s := range c.signTimes(12, account, 2) {
			if hasPart(s, culprit) || len(s.Blames) != 3 {
				t.Errorf("members %+v, blames %+v", s.Members, s.Blames)
			}
		}
	})
}

// TestQuarantine: a party that refuses because of another is kept apart from it.
func TestQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		p1, p2 := c.net.party("p1"), c.net.party("p2")
		p1.set(script{avoid: []protocol.PeerID{p2.ID()}})
		for _, s := range c.signTimes(20, account, 2) {
			if b := s.Blames; len(b) != 1 || b[0].Reason != registry.ReasonQuarantined || b[0].Party != p2.ID() || b[0].By != p1.ID() || b[0].Proven {
				t.Errorf("blames %+v", b)
			}
		}
		p1.set(script{avoid: []protocol.PeerID{p2.ID(), c.net.party("p3").ID()}}) // everybody
		for _, s := range c.signTimes(20, account, 3) {
			if hasPart(s, p1) {
				t.Error("who refuses everybody has signed")
			}
		}
	})
}

// TestCrashedPartyIsNotToBlame: its process was started again.
func TestCrashedPartyIsNotToBlame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crash := &protocol.Failure{Code: protocol.CodeCrashed, Detail: "its process ended unexpectedly"}
		c := newCore(t, "p1", "p2")
		account := c.account(2, 2)
		p2 := c.net.party("p2")
		p2.set(script{blame: func(s *protocol.Spec) *protocol.Failure {
			if s.Attempt == 1 {
				return crash
			}
			return nil
		}})
		if s := c.signTimes(1, account, 2); len(s) == 1 && len(s[0].Blames) != 0 {
			t.Errorf("blames %+v", s[0].Blames)
		}
		p2.set(script{blame: func(*protocol.Spec) *protocol.Failure { return crash }})
		s, _ := c.finished(c.sign(account))
		if p := s.Problem; p == nil || p.Code != registry.CodeCeremonyFailed || len(p.Parties) != 1 || p.Parties[0].Peer != p2.ID() || p.Parties[0].Code != protocol.CodeCrashed {
			t.Errorf("%s: %+v", s.Status, p)
		}
	})
}
