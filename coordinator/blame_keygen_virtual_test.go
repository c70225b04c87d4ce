package coordinator

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// The tests of this file run in virtual time, as those of blame in signing do.

// blamed makes all parties but one prove that this one broke the protocol.
func (n *fakeNet) blamed(culprit *party) {
	for _, p := range n.order {
		p.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p.ID(), sid) })})
	}
	culprit.set(script{blame: accuses(culprit)})
}

// TestCulpritOfAKeygenIsReplaced if the coordinator chose it.
func TestCulpritOfAKeygenIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		culprit := c.net.party("p2")
		c.net.blamed(culprit)
		hard := 0
		for range 12 {
			s, _ := c.finished(c.keygen(2, 3))
			if s.Status != registry.StatusCompleted || hasPart(s, culprit) || s.Attempt > 2 {
				t.Errorf("%s in attempt %d: %+v, members %+v", s.Status, s.Attempt, s.Problem, s.Members)
			}
			if s.Attempt == 2 {
				hard++
			}
		}
		if hard == 0 {
			t.Error("the culprit was never chosen")
		}
	})
}

// TestNamedCulpritOfAKeygen is not replaced, and the problem says what it did.
func TestNamedCulpritOfAKeygen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		culprit := c.net.party("p2")
		c.net.blamed(culprit)
		id, err := c.engine.Keygen(engine.KeygenRequest{
			Owner: "u", Scheme: protocol.EdDSA, Threshold: protocol.Threshold{T: 2, N: 3}, Parties: []string{"p1", "p2", "p3"},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := c.finished(id)
		p := s.Problem
		if s.Status != registry.StatusFailed || s.Attempt != 1 || p.Code != registry.CodeCeremonyFailed {
			t.Fatalf("%s in attempt %d: %+v", s.Status, s.Attempt, p)
		}
		if len(p.Parties) != 1 || p.Parties[0].Peer != culprit.ID() || p.Parties[0].Reason != protocol.ReasonContradiction || !strings.Contains(p.Parties[0].Detail, "signed two messages") {
			t.Errorf("problem %+v", p)
		}
	})
}

// TestAccuserInAKeygen: with enough others, neither side of an accusation takes
// part in the next attempt.
func TestAccuserInAKeygen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4", "p5")
		liar := c.net.party("p5")
		liar.set(script{blame: accuses(liar)})
		for range 8 {
			if s, _ := c.finished(c.keygen(2, 3)); s.Status != registry.StatusCompleted || s.Attempt > 2 || hasPart(s, liar) {
				t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
			}
		}
	})
}

// saving starts a keygen whose members have begun to save their shares when it
// returns.
func (c *core) saving(t, n int, then script) (id string) {
	c.t.Helper()
	then.saves = true
	c.net.all(then)
	id = c.keygen(t, n)
	time.Sleep(200 * time.Millisecond)
	s := c.registry.Session(id)
	if len(s.Members) != n || s.Members[0].Phase != protocol.PhaseConfirm {
		c.t.Fatalf("members %+v", s.Members)
	}
	return id
}

// TestMemberLostWhileSharesAreSaved: the others hold shares already, so the
// keygen waits for it and tries with the same members.
func TestMemberLostWhileSharesAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4", "p5")
		id := c.saving(2, 3, script{mute: true})
		first := c.registry.Session(id).Members
		lost := c.net.at(first[0].Peer)
		lost.set(script{dead: true})
		time.Sleep(10 * time.Second)
		if s := c.registry.Session(id); s.Attempt != 1 || s.Status != registry.StatusRunning || s.Members[0].State != registry.StateLost {
			t.Fatalf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Members)
		}
		c.net.all(script{})
		s, took := c.finished(id)
		if s.Status != registry.StatusCompleted || s.Attempt != 2 || took > 6*time.Second {
			t.Fatalf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
		}
		for i, m := range s.Members {
			if m.Peer != first[i].Peer {
				t.Errorf("%s takes part in place of %s", m.Name, first[i].Name)
			}
		}
	})
}

// TestMemberBackWithItsShare: the members complete the first attempt among
// themselves, and its records are taken.
func TestMemberBackWithItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		id := c.saving(2, 3, script{hold: true})
		c.net.party("p2").set(script{dead: true})
		time.Sleep(5 * time.Second)
		stopped := 0
		for _, p := range c.net.order {
			stopped += p.wasStopped()
		}
		if stopped != 2 {
			t.Errorf("%d members were told that the attempt is over, want 2", stopped)
		}
		c.net.all(script{})
		if s, _ := c.finished(id); s.Status != registry.StatusCompleted || s.Attempt != 1 {
			t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
	})
}

// TestMemberLostForGoodWhileSharesAreSaved: no other party is asked to take its
// place, for the others could not accept that.
func TestMemberLostForGoodWhileSharesAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4", "p5")
		id := c.saving(2, 3, script{mute: true})
		lost := c.registry.Session(id).Members[0]
		c.net.at(lost.Peer).set(script{dead: true})
		s, took := c.finished(id)
		if s.Status != registry.StatusFailed || s.Attempt != 1 || s.Problem.Code != registry.CodeTooFewParties || !strings.Contains(s.Problem.Detail, lost.Name) {
			t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
		if took < 20*time.Second || took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestMemberCrashesWhileSharesAreSaved: it is back before it is missed.
func TestMemberCrashesWhileSharesAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		id := c.saving(2, 3, script{mute: true})
		first := c.registry.Session(id)
		crashed := c.net.at(first.Members[1].Peer)
		var spec protocol.Spec
		if err := protocol.Unmarshal(first.Spec, &spec); err != nil {
			t.Fatal(err)
		}
		c.net.all(script{})
		c.net.deliver(crashed.ID(), protocol.Frame{Outcome: &protocol.Outcome{
			SID: spec.SID(), Failure: &protocol.Failure{Code: protocol.CodeCrashed, Detail: "its process ended unexpectedly"},
		}})
		s, took := c.finished(id)
		same := slices.EqualFunc(s.Members, first.Members, func(a, b registry.Member) bool { return a.Peer == b.Peer })
		if s.Status != registry.StatusCompleted || s.Attempt != 2 || !same || took > 5*time.Second {
			t.Errorf("%s in attempt %d after %v: %+v, members %+v", s.Status, s.Attempt, took, s.Problem, s.Members)
		}
	})
}

// TestLostPartyThatIsBack takes part again if there is no other.
func TestLostPartyThatIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		c.net.all(script{mute: true})
		id, err := c.engine.Keygen(engine.KeygenRequest{
			Owner: "u", Scheme: protocol.EdDSA, Threshold: protocol.Threshold{T: 2, N: 3}, Parties: []string{"p1", "p2", "p3"},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		c.net.party("p2").set(script{deaf: true, silent: true})
		time.Sleep(3500 * time.Millisecond) // its fourth ping is on the way, and lost
		c.net.all(script{silent: true})
		s, _ := c.finished(id)
		if s.Status != registry.StatusCompleted || s.Attempt != 2 {
			t.Errorf("%s in attempt %d: %+v", s.Status, s.Attempt, s.Problem)
		}
		events, err := c.registry.Events(registry.SessionStream(id), 0, 100)
		if err != nil || !slices.ContainsFunc(events, func(e registry.Event) bool { return e.Type == registry.PartyLost }) {
			t.Errorf("nobody was lost: %v", err)
		}
	})
}
