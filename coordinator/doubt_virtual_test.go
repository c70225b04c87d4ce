package coordinator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// others returns all members but one.
func others(s *protocol.Spec, than *party) []protocol.PeerID {
	return slices.DeleteFunc(slices.Clone(s.Peers()), func(peer protocol.PeerID) bool { return peer == than.ID() })
}

// excuse is what a party that gives up in each attempt tells the coordinator, and in
// how many attempts of an n-1-of-n key it is found; 0: in n, because each set of
// signers is tried once.
type excuse struct {
	is       string
	tells    func(by *party, s *protocol.Spec) *protocol.Failure
	attempts int
}

// plainly says no more than a code.
func plainly(code protocol.Code) func(*party, *protocol.Spec) *protocol.Failure {
	return func(*party, *protocol.Spec) *protocol.Failure {
		return &protocol.Failure{Code: code, Detail: "for no reason"}
	}
}

var excuses = []excuse{
	{"nothing", func(*party, *protocol.Spec) *protocol.Failure { return nil }, 2},
	{"no reason", plainly(protocol.CodeProtocol), 2},
	{"cancelled", plainly(protocol.CodeCancelled), 0},
	{"unreachable", plainly(protocol.CodeUnreachable), 0},
	{"timeout", plainly(protocol.CodeTimeout), 0},
	{"crashed", plainly(protocol.CodeCrashed), 2},
	{"storage failure", func(by *party, s *protocol.Spec) *protocol.Failure {
		return &protocol.Failure{Code: protocol.CodeStorage, Reason: protocol.ReasonProof, Culprits: others(s, by), Detail: "the disk is full"}
	}, 2},
	{"another gave up", func(by *party, s *protocol.Spec) *protocol.Failure {
		return &protocol.Failure{Code: protocol.CodeProtocol, GaveUp: others(s, by)[0], Detail: "it was not me"}
	}, 0},
	{"it gave up", func(by *party, _ *protocol.Spec) *protocol.Failure {
		return &protocol.Failure{Code: protocol.CodeProtocol, GaveUp: by.ID()}
	}, 2},
	{"a stranger gave up", func(by *party, _ *protocol.Spec) *protocol.Failure {
		return &protocol.Failure{Code: protocol.CodeProtocol, GaveUp: by.net.id.ID()}
	}, 2},
	{"unattributed", func(*party, *protocol.Spec) *protocol.Failure {
		return &protocol.Failure{Code: protocol.CodeProtocol, Reason: protocol.ReasonUnattributed}
	}, 0},
}

// TestPartyThatGivesUpInEachAttempt cannot keep the others from signing, whatever it says,
// and nobody is blamed for it.
func TestPartyThatGivesUpInEachAttempt(t *testing.T) {
	for _, e := range excuses {
		for n := 3; n <= 5; n++ {
			t.Run(fmt.Sprintf("%s %d-of-%d", e.is, n-1, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCore(t, []string{"p1", "p2", "p3", "p4", "p5"}[:n]...)
					account := c.account(n-1, n)
					rogue := c.net.party("p2")
					rogue.set(script{quits: func(s *protocol.Spec) *protocol.Failure { return e.tells(rogue, s) }})
					most := e.attempts
					if most == 0 {
						most = n
					}
					for _, s := range c.signTimes(8, account, uint32(most)) {
						if hasPart(s, rogue) || len(s.Blames) > 0 {
							t.Errorf("members %+v, blames %+v", s.Members, s.Blames)
						}
					}
				})
			})
		}
	}
}

// TestPartyThatChangesItsExcuse, and accuses some of the others in between.
func TestPartyThatChangesItsExcuse(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for n := 3; n <= 5; n++ {
		t.Run(fmt.Sprintf("%d-of-%d", n-1, n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, uint64(n)))
				var mu sync.Mutex // a party that left one session may still be in it when the next begins
				c := newCore(t, []string{"p1", "p2", "p3", "p4", "p5"}[:n]...)
				account := c.account(n-1, n)
				rogue := c.net.party("p1")
				rogue.set(script{quits: func(s *protocol.Spec) *protocol.Failure {
					mu.Lock()
					defer mu.Unlock()
					if i := rng.IntN(len(excuses) + 2); i < len(excuses) {
						return excuses[i].tells(rogue, s)
					}
					f := accuses(rogue)(s)
					f.Culprits = f.Culprits[:1+rng.IntN(len(f.Culprits))]
					return f
				}})
				for _, s := range c.signTimes(40, account, uint32(n)) {
					if hasPart(s, rogue) {
						t.Errorf("members %+v", s.Members)
					}
				}
			})
		})
	}
}

// TestPartyThatGivesUpInAKeygen is replaced.
func TestPartyThatGivesUpInAKeygen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		rogue := c.net.party("p2")
		rogue.set(script{quits: func(*protocol.Spec) *protocol.Failure { return nil }})
		for range 12 {
			if s, _ := c.finished(c.keygen(2, 3)); s.Status != registry.StatusCompleted || s.Attempt > 2 || hasPart(s, rogue) {
				t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
			}
		}
	})
}

// TestNobodyElseToTry: the same parties get a second chance, and no third one.
func TestNobodyElseToTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.party("p3").set(script{dead: true})
		time.Sleep(2 * time.Second) // so long that it is looked for at once
		c.net.party("p2").set(script{quits: func(*protocol.Spec) *protocol.Failure { return nil }})
		s, took := c.finished(c.sign(account))
		if p := s.Problem; s.Status != registry.StatusFailed || s.Attempt != 2 || p.Code != registry.CodeCeremonyFailed || took > 5*time.Second {
			t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, p)
		}
	})
}

// TestWaitedForIsAWord: who says that others are missing shuts nobody out.
func TestWaitedForIsAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		liar := c.net.party("p1")
		for _, p := range c.net.order {
			p.set(script{waits: func(s *protocol.Spec) []protocol.PeerID { // the liar says nothing to the others, and is sorry that they say nothing
				if slices.Contains(s.Peers(), liar.ID()) {
					return others(s, p)
				}
				return nil
			}})
		}
		hard := 0
		for i := 0; i < 8 || hard == 0 && i < 100; i++ { // who signs is left to chance
			c.shuffle()
			s, _ := c.finished(c.sign(account))
			if s.Status != registry.StatusCompleted || s.Attempt > 3 || hasPart(s, liar) {
				t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
			}
			if s.Attempt > 1 {
				hard++
			}
		}
		if hard == 0 {
			t.Error("nobody ever waited")
		}
	})
}

// TestAllWaitForOne: it is left out first, and named, whether it is silent in the rounds or
// has not joined the session's topic.
func TestAllWaitForOne(t *testing.T) {
	for _, outside := range []bool{false, true} {
		t.Run(fmt.Sprintf("outside %v", outside), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCore(t, "p1", "p2", "p3", "p4")
				account := c.account(3, 4)
				silent := c.net.party("p4")
				for _, p := range c.net.order[:3] {
					p.set(script{outside: outside, waits: func(s *protocol.Spec) []protocol.PeerID {
						return slices.DeleteFunc(others(s, p), func(peer protocol.PeerID) bool { return peer != silent.ID() })
					}})
				}
				silent.set(script{mute: true})
				for range 8 {
					s, _ := c.finished(c.sign(account))
					if s.Status != registry.StatusCompleted || s.Attempt > 2 || hasPart(s, silent) {
						t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
					}
				}
				c.awaitNamed(c.keygen(4, 4), silent, 130*time.Second) // nobody can be left out
				c.net.party("p1").set(script{dead: true})             // no other three
				c.awaitNamed(c.sign(account), silent, 70*time.Second)
			})
		})
	}
}

// awaitNamed waits until a session has expired, and checks that one party is named, and no other.
func (c *core) awaitNamed(id string, silent *party, within time.Duration) {
	c.t.Helper()
	s, took := c.finished(id)
	p := s.Problem
	if s.Status != registry.StatusExpired || p.Code != registry.CodeSessionTimeout || len(p.Parties) != 1 || p.Parties[0].Peer != silent.ID() || took > within {
		c.t.Errorf("%s after %v: %+v", s.Status, took, p)
	}
}

// TestSeveralSpoilers: with all n-t of them at work, who takes turns in accusing
// one of the others, or gives up, the honest ones are found in 2n attempts.
func TestSeveralSpoilers(t *testing.T) {
	for _, key := range []protocol.Threshold{{T: 2, N: 4}, {T: 3, N: 5}} {
		for _, accusing := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v accusing %v", key, accusing), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCore(t, []string{"p1", "p2", "p3", "p4", "p5"}[:key.N]...)
					account := c.account(key.T, key.N)
					rogues := c.net.order[:key.N-key.T]
					for _, p := range rogues {
						if !accusing {
							p.set(script{quits: func(*protocol.Spec) *protocol.Failure {
								return &protocol.Failure{Code: protocol.CodeProtocol, Reason: protocol.ReasonUnattributed}
							}})
							continue
						}
						p.set(script{blame: func(s *protocol.Spec) *protocol.Failure {
							f := accuses(p)(s)
							f.Culprits = slices.DeleteFunc(f.Culprits, func(peer protocol.PeerID) bool {
								return slices.ContainsFunc(rogues, func(r *party) bool { return r.ID() == peer })
							})
							f.Culprits = f.Culprits[:min(1, len(f.Culprits))]
							return f
						}})
					}
					for _, s := range c.signTimes(20, account, uint32(2*key.N)) {
						if slices.ContainsFunc(rogues, func(p *party) bool { return hasPart(s, p) }) {
							t.Errorf("members %+v", s.Members)
						}
					}
				})
			})
		}
	}
}
