package coordinator

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// specOf returns what the current attempt of a session is about.
func (c *core) specOf(id string) *protocol.Spec {
	c.t.Helper()
	var spec protocol.Spec
	if err := protocol.Unmarshal(c.registry.Session(id).Spec, &spec); err != nil {
		c.t.Fatal(err)
	}
	return &spec
}

// fails lets a member tell a failure.
func (c *core) fails(peer protocol.PeerID, sid protocol.SID, f *protocol.Failure) {
	c.net.deliver(peer, protocol.Frame{Outcome: &protocol.Outcome{SID: sid, Failure: f}})
}

// TestRecordAfterALateFailure is kept: it may be all that is known of a key.
func TestRecordAfterALateFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		c.net.all(script{mute: true})
		id := c.keygen(2, 3)
		time.Sleep(time.Second)
		spec := c.specOf(id)
		if err := c.engine.Cancel(t.Context(), id, registry.Meta{}); err != nil {
			t.Fatal(err)
		}
		p := c.net.party("p1")
		for range 2 {
			c.fails(p.ID(), spec.SID(), &protocol.Failure{Code: protocol.CodeCancelled})
			time.Sleep(time.Second)
		}
		for range 2 {
			c.net.deliver(p.ID(), protocol.Frame{Outcome: &protocol.Outcome{SID: spec.SID(), Record: p.record(spec, script{})}})
			time.Sleep(time.Second)
		}
		c.fails(p.ID(), spec.SID(), &protocol.Failure{})
		time.Sleep(time.Second)
		events, err := c.registry.Events(registry.SessionStream(id), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var kept []registry.Event
		for _, e := range events {
			if e.Type == registry.OutcomeLate && e.Party == p.ID() {
				kept = append(kept, e)
			}
		}
		if len(kept) != 2 || kept[0].Code != "cancelled" || kept[1].Outcome == nil || len(kept[1].Outcome.Record) == 0 {
			t.Errorf("events %+v", kept)
		}
		m := c.registry.Session(id).Members
		if i := slices.IndexFunc(m, func(m registry.Member) bool { return m.Peer == p.ID() }); m[i].State != registry.StateFinished {
			t.Errorf("member %+v", m[i])
		}
	})
}

// TestProofWhileTheNextAttemptRuns counts for that one, too.
func TestProofWhileTheNextAttemptRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		culprit := c.net.party("p3")
		for _, p := range c.net.order[:2] {
			p.set(script{late: 50 * time.Millisecond, blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p.ID(), sid) })})
		}
		culprit.set(script{blame: func(*protocol.Spec) *protocol.Failure { return &protocol.Failure{Code: protocol.CodeTimeout} }})
		for _, s := range c.signTimes(20, account, 3) {
			if hasPart(s, culprit) {
				t.Errorf("members %+v", s.Members)
			}
		}
	})
}

// TestRestartInTheGrace: an attempt that was about to end is not waited for.
func TestRestartInTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		c.net.all(script{mute: true})
		id := c.sign(account)
		time.Sleep(time.Second)
		m := c.registry.Session(id).Members
		c.fails(m[0].Peer, c.specOf(id).SID(), &protocol.Failure{Code: protocol.CodeProtocol, Reason: protocol.ReasonProof, Culprits: []protocol.PeerID{m[1].Peer}})
		time.Sleep(150 * time.Millisecond)
		c.net.all(script{})
		c.restart()
		s, took := c.finished(id)
		if s.Status != registry.StatusCompleted || s.Attempt != 3 || took > 5*time.Second { // the second may have been proposed before
			t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
		}
	})
}

// TestRestartWhileSharesAreSaved: the members of an interrupted keygen try once more.
func TestRestartWhileSharesAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3", "p4")
		id := c.saving(2, 3, script{mute: true})
		first := c.registry.Session(id).Members
		for _, m := range first[:2] {
			c.fails(m.Peer, c.specOf(id).SID(), &protocol.Failure{Code: protocol.CodeCrashed})
		}
		time.Sleep(time.Second)
		c.net.all(script{})
		c.restart()
		s, took := c.finished(id)
		same := slices.EqualFunc(s.Members, first, func(a, b registry.Member) bool { return a.Peer == b.Peer })
		if s.Status != registry.StatusCompleted || s.Attempt != 3 || !same || took > 10*time.Second {
			t.Errorf("%s in attempt %d after %v: %+v, members %+v", s.Status, s.Attempt, took, s.Problem, s.Members)
		}
	})
}

// TestSavesByItsWordAlone: who says that it saves its share while others are in
// their first round, or gives up after it has, is replaced like anybody else.
func TestSavesByItsWordAlone(t *testing.T) {
	for _, all := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCore(t, "p1", "p2", "p3", "p4", "p5")
			liar := c.net.party("p1")
			for _, p := range c.net.order[1:] {
				p.set(script{far: all})
			}
			liar.set(script{saves: true, blame: func(*protocol.Spec) *protocol.Failure {
				return &protocol.Failure{Code: protocol.CodeDraining, Detail: "it is shutting down"}
			}})
			hard := 0
			for i := 0; i < 12 || hard == 0 && i < 100; i++ { // whom the keygen is with is left to chance
				s, took := c.finished(c.keygen(2, 3))
				if s.Status != registry.StatusCompleted || s.Attempt > 2 || took > 5*time.Second {
					t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
				}
				if s.Attempt == 2 {
					hard++
				}
			}
			if hard == 0 {
				t.Error("the liar was never chosen")
			}
		})
	}
}

// TestProvenOneIsNotWaitedFor: nothing that it could say would matter.
func TestProvenOneIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		account := c.account(2, 3)
		culprit := c.net.party("p3")
		for _, p := range c.net.order[:2] {
			p.set(script{blame: proves(culprit, func(sid protocol.SID) *protocol.Evidence { return contradicts(culprit, p.ID(), sid) })})
		}
		culprit.set(script{mute: true})
		for range 12 {
			if s, took := c.finished(c.sign(account)); s.Status != registry.StatusCompleted || took > 100*time.Millisecond {
				t.Errorf("%s in attempt %d after %v: %+v", s.Status, s.Attempt, took, s.Problem)
			}
		}
	})
}

// TestASignatureEndsInOneEvent, which tells who delivered it; all members have finished
// then, and what the others deliver is no event.
func TestASignatureEndsInOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCore(t, "p1", "p2", "p3")
		id := c.sign(c.account(2, 3))
		s, _ := c.finished(id)
		time.Sleep(time.Second) // the other member's outcome comes, too
		events, err := c.registry.Events(registry.SessionStream(id), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		last := events[len(events)-1]
		if last.Type != registry.SessionCompleted || slices.ContainsFunc(events, func(e registry.Event) bool { return e.Type == registry.PartyFinished }) {
			t.Errorf("events %+v", events)
		}
		for _, m := range s.Members {
			if m.State != registry.StateFinished {
				t.Errorf("%s has %s", m.Name, m.State)
			}
		}
		if !slices.ContainsFunc(s.Members, func(m registry.Member) bool { return m.Peer == last.Party }) {
			t.Errorf("delivered by %q", last.Party)
		}
	})
}
