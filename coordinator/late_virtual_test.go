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
		c.all(script{mute: true})
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
