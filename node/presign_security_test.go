package node

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// One presignature under two messages would give the key away: of many signings that
// name one at the same moment each party accepts one, and there is one signature at most.
func TestAPresignatureServesOneSigning(t *testing.T) {
	const signings = 16
	c, key, cert := newSigners(t, p2ptest.QUIC, 2, nil)
	presigned := c.presign(key, 0, 1)
	specs := make([]*protocol.Spec, signings)
	for i := range specs {
		specs[i] = c.coord.use(presigned, digest(i))
	}
	for _, spec := range specs {
		for _, m := range spec.Roster {
			go c.coord.send(m.Peer, protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
		}
	}
	c.coord.await("the answers", 3*time.Minute, func() bool {
		for _, spec := range specs {
			sid := spec.SID()
			for peer, o := range c.coord.outcomes[sid] { // who signs at once does not say before that it accepts
				if _, answered := c.coord.answers[sid][peer]; o.Record != nil && !answered {
					put(c.coord.answers, sid, peer, protocol.Answer{SID: sid})
				}
			}
			if len(c.coord.answers[sid]) < 2 {
				return false
			}
		}
		return true
	})
	accepted := make(map[p2p.PeerID][]int)
	c.coord.mu.Lock() // who has signed may still say that it accepts
	for i, spec := range specs {
		for peer, a := range c.coord.answers[spec.SID()] {
			switch a.Code {
			case "":
				accepted[peer] = append(accepted[peer], i)
			case protocol.CodeNoPresign:
			default:
				t.Errorf("signing %d at %s: %+v", i, peer, a)
			}
		}
	}
	c.coord.mu.Unlock()
	one, two := accepted[c.parties[0].ID()], accepted[c.parties[1].ID()]
	if len(one) != 1 || len(two) != 1 {
		t.Fatalf("accepted: %v and %v, want one each", one, two)
	}
	if one[0] == two[0] {
		checkSignatures(t, specs[one[0]], cert, c.coord.result(specs[one[0]]))
	} else {
		for _, i := range []int{one[0], two[0]} {
			c.cancel(specs[i])
		}
		if last := c.tap.latest(); last > 4 {
			t.Errorf("two parties with two messages came to round %d", last)
		}
	}
	late := slices.IndexFunc([]int{0, 1, 2}, func(i int) bool { return i != one[0] && i != two[0] })
	c.signed(again(specs[late]), cert) // with all rounds
	c.refusedPresign("used", 0, c.coord.use(presigned, digest(100)))
	c.awaitHeld(0, 0, 1)
}

// Whatever becomes of the signing that took a presignature, it does not come back.
func TestAPresignatureIsGoneAfterAnAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		presigned := c.presign(key, 0, 1)
		alone := c.coord.use(presigned, digest(1))
		if a := c.coord.answer(c.parties[0].ID(), alone); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		time.Sleep(time.Second)
		c.cancel(alone)
		c.coord.awaitFailure(alone.SID(), c.parties[0].ID())
		c.awaitHeld(0, 0)
		c.awaitHeld(1, 1) // it was never named there
		next := c.coord.use(presigned, digest(2))
		c.refusedPresign("after an abort", 0, next)
		c.refusedPresign("the same signing", 0, func() *protocol.Spec { s := *alone; s.Attempt = 2; return &s }())
		if a := c.coord.answer(c.parties[1].ID(), next); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		c.cancel(next)
		c.coord.awaitFailure(next.SID(), c.parties[1].ID())
		c.awaitHeld(0, 1)
		if last := c.tap.latest(); last > 4 {
			t.Errorf("a message of round %d was sent", last)
		}
		c.signed(again(next), cert)
	})
}

// What another member says in round 4 before this party has bound its message waits
// until it has.
func TestRoundFourMayComeBeforeTheProposal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		presigned := c.presign(key, 0, 1)
		spec := c.coord.use(presigned, digest(1))
		if a := c.coord.answer(c.parties[0].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		time.Sleep(time.Second)
		c.awaitHeld(1, 1) // nothing has begun here
		if !slices.Contains(c.stepsOf(0, spec.SID()), 4) {
			t.Error("nothing came early")
		}
		if rounds := c.tap.rounds(spec.SID(), presigned.SID()); slices.Max(rounds) > 4 || len(c.stepsOf(1, spec.SID())) != 0 {
			t.Errorf("rounds %v before the second party has heard of it", rounds)
		}
		c.coord.send(c.parties[1].ID(), protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
		checkSignatures(t, spec, cert, c.coord.result(spec))
	})
}

// A presignature that is dropped, forgotten or too old releases nothing.
func TestAnUnboundPresignatureReleasesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		c.coord.hold = 2 * time.Minute
		for name, lose := range map[string]func(*protocol.Spec){
			"cancelled": func(s *protocol.Spec) { c.cancel(s) },
			"forgotten": func(s *protocol.Spec) {
				for _, m := range s.Roster {
					c.coord.send(m.Peer, protocol.Frame{Forget: &protocol.Forget{}})
				}
			},
			"expired": func(*protocol.Spec) { time.Sleep(c.coord.hold) },
		} {
			presigned := c.presign(key, 0, 1)
			c.awaitHeld(1, 0, 1)
			lose(presigned)
			c.awaitHeld(0, 0, 1)
			spec := c.coord.use(presigned, digest(1))
			c.refusedPresign(name, 0, spec)
			c.refusedPresign(name, 1, spec)
			time.Sleep(10 * time.Second)
			if last := c.tap.latest(); last != 3 {
				t.Errorf("%s: a message of round %d was sent", name, last)
			}
		}
		c.signed(c.coord.sign(key, digest(2), c.peers(0, 1)), cert)
	})
}

// With a new epoch of the key all that was presigned with the old one is gone.
func TestAPresignatureIsOfOneEpoch(t *testing.T) {
	c, key, cert := newSigners(t, p2ptest.QUIC, 2, nil)
	presigned := c.presign(key, 0, 1)
	later := *presigned
	later.Epoch = 1
	c.refusedWith(t, "an epoch that is not here", c.coord.use(&later, digest(1)), protocol.CodeUnknownKey)
	p := c.parties[0]
	record, _, err := p.node.made(t.Context(), key.Key, 0)
	if err != nil {
		t.Fatal(err)
	}
	record.Spec.Epoch = 1
	if err := p.node.save(t.Context(), &protocol.Save{Active: true, Key: record}); err != nil {
		t.Fatal(err)
	}
	c.awaitHeld(0, 0)
	old := c.coord.use(presigned, digest(2))
	c.refusedPresign("the old epoch", 0, old)
	stale := c.coord.use(presigned, digest(3))
	stale.Epoch = 1
	c.coord.authorise(stale)
	c.refusedPresign("the new epoch", 0, stale)
	c.signed(again(old), cert) // which is still here at both
}

// A presigning that is under way when the key gets a new epoch ends, and one that begins
// with the old epoch afterwards leaves nothing.
func TestAPresigningUnderWayDoesNotOutliveItsEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, _ := newSigners(t, p2ptest.Simulated, 2, nil)
		spec := c.coord.presigning(key, c.peers(0, 1))
		ends := make([]func(), 2)
		for i, p := range c.parties[:2] {
			if a := c.coord.answer(p.ID(), spec); a.Code != "" {
				t.Fatalf("%+v", a)
			}
			ends[i] = p.node.quiet.begin() // it goes no further
		}
		for i, p := range c.parties[:2] {
			record, _, err := p.node.made(t.Context(), key.Key, 0)
			if err != nil {
				t.Fatal(err)
			}
			record.Spec.Epoch = 1
			if err := p.node.save(t.Context(), &protocol.Save{Active: true, Key: record}); err != nil {
				t.Fatal(err)
			}
			if f := c.coord.awaitFailure(spec.SID(), p.ID()); f.Code != protocol.CodeCancelled && f.GaveUp == "" || len(f.Culprits) > 0 {
				t.Errorf("party %d: %+v", i, f)
			}
			ends[i]()
		}
		c.awaitQuiet()
		late := c.coord.presigning(key, c.peers(0, 1))
		sid := c.coord.propose(late)
		eventually(t, "it runs", func() bool { return slices.Contains(c.tap.rounds(sid), 3) })
		c.awaitQuiet()
		c.awaitHeld(0, 0, 1)
		c.coord.mu.Lock()
		defer c.coord.mu.Unlock()
		if len(c.coord.held) > 0 {
			t.Errorf("it is told: %v", c.coord.held)
		}
	})
}

// refusedWith checks with which code the first party refuses a signing.
func (c *cluster) refusedWith(t *testing.T, why string, spec *protocol.Spec, want protocol.Code) {
	t.Helper()
	p := c.parties[0].ID()
	c.coord.forget(spec.SID(), p)
	if a := c.coord.answer(p, spec); a.Code != want {
		t.Errorf("%s: %+v, want %q", why, a, want)
	}
}

// A restart loses what a party held, and the signing goes through all the same.
func TestAPresignatureIsLostWithARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		presigned := c.presign(key, 0, 1)
		c.awaitHeld(1, 0, 1)
		c.parties[0].restart()
		c.net.Mesh(c.hosts()...)
		c.awaitHeld(0, 0)
		spec := c.coord.use(presigned, digest(1))
		c.refusedPresign("restarted", 0, spec)
		if a := c.coord.answer(c.parties[1].ID(), spec); a.Code != "" {
			t.Fatalf("%+v", a)
		}
		c.cancel(spec)
		c.coord.awaitFailure(spec.SID(), c.parties[1].ID())
		c.signed(again(spec), cert)
		// Nor is the presigning run again: with other numbers this party would contradict itself.
		c.refusedWith(t, "the presigning again", presigned, protocol.CodeReplay)
		c.signed(c.coord.use(c.presign(key, 0, 1), digest(2)), cert)
	})
}

// Two members that are told different messages, or different approvals of the same one,
// are in two sessions: none opens its part of R, and there is no signature.
func TestMembersThatWereToldDifferentThingsDoNotSign(t *testing.T) {
	for name, other := range map[string]func(*cluster, *protocol.Spec){
		"digests": func(c *cluster, s *protocol.Spec) {
			s.Session, s.Payload = newID(t), digest(2)
			c.coord.authorise(s)
		},
		"approvals": func(c *cluster, s *protocol.Spec) {
			time.Sleep(2 * time.Second)
			c.coord.authorise(s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
				presigned := c.presign(key, 0, 1)
				one := c.coord.use(presigned, digest(1))
				two := *one
				other(c, &two)
				if one.SID() == two.SID() {
					t.Fatal("both have the same session id")
				}
				for i, spec := range []*protocol.Spec{one, &two} {
					if a := c.coord.answer(c.parties[i].ID(), spec); a.Code != "" {
						t.Fatalf("party %d: %+v", i, a)
					}
				}
				for i, spec := range []*protocol.Spec{one, &two} {
					if f := c.coord.awaitFailure(spec.SID(), c.parties[i].ID()); len(f.Culprits) != 0 {
						t.Errorf("party %d blames %v", i, f.Culprits)
					}
				}
				if last := c.tap.latest(); last > 4 {
					t.Errorf("a message of round %d was sent", last)
				}
				c.refusedPresign("after that", 0, c.coord.use(presigned, digest(3)))
				c.signed(again(one), cert)
				if two.Session != one.Session {
					c.signed(again(&two), cert)
				}
			})
		})
	}
}

// A presignature is gone at the time that was said, whether or not anybody has swept.
func TestAPresignatureExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key, cert := newSigners(t, p2ptest.Simulated, 2, nil)
		short := c.coord.presigning(key, c.peers(0, 1))
		short.HoldUntil = short.Expires + 1
		short, long := c.presigned(short), c.presign(key, 0, 1)
		c.awaitHeld(2, 0, 1)
		time.Sleep(time.Until(time.Unix(short.HoldUntil, 0)))
		c.refusedPresign("at its end", 0, c.coord.use(short, digest(1)))
		time.Sleep(sweepInterval)
		c.awaitHeld(1, 0, 1)
		c.signed(c.coord.use(long, digest(2)), cert)
	})
}

// Another coordinator can neither use nor drop what was presigned for the first one.
func TestAPresignatureIsItsCoordinators(t *testing.T) {
	c, key, cert := newSigners(t, p2ptest.QUIC, 2, nil)
	other := c.second()
	presigned := c.presign(key, 0, 1)
	spec := other.use(presigned, digest(1))
	spec.Coordinator = other.host.ID()
	if a := other.answer(c.parties[0].ID(), spec); a.Code != protocol.CodeNoPresign {
		t.Errorf("another coordinator uses it: %+v", a)
	}
	for _, m := range presigned.Roster {
		other.send(m.Peer, protocol.Frame{Cancel: &protocol.Cancel{SID: presigned.SID()}})
		other.send(m.Peer, protocol.Frame{Forget: &protocol.Forget{}})
	}
	if a := other.answer(c.parties[0].ID(), other.use(presigned, digest(2))); a.Code != protocol.CodeInvalid { // it has heard the others
		t.Errorf("in the first one's name: %+v", a)
	}
	c.awaitHeld(1, 0, 1)
	c.signed(c.coord.use(presigned, digest(3)), cert)
}
