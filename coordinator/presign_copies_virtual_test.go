package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// copies lets each party say once more what it may have said about a presigning, and that it has failed.
func (c *core) copies(sid protocol.SID) {
	c.t.Helper()
	acked := func(f *protocol.Frame) bool { return f.Ack != nil && f.Ack.SID == sid && f.Ack.Failure }
	before := c.net.count(acked)
	for _, p := range c.net.order {
		for _, f := range []protocol.Frame{
			{Answer: &protocol.Answer{SID: sid}},
			{Answer: &protocol.Answer{SID: sid, Code: protocol.CodeBusy}},
			{Progress: &protocol.Progress{SID: sid, Phase: protocol.PhaseRounds, Round: 1, Rounds: 3}},
			{Held: &protocol.Held{SID: sid, Until: time.Now().Add(time.Hour).Unix()}},
			{Outcome: &protocol.Outcome{SID: sid, Failure: &protocol.Failure{Code: protocol.CodeCrashed}}},
		} {
			c.net.deliver(p.ID(), f)
		}
	}
	time.Sleep(time.Second)
	synctest.Wait()
	if n := c.net.count(func(f *protocol.Frame) bool { return f.Cancel != nil && f.Cancel.SID == sid }); n != 0 {
		c.t.Errorf("%d parties were told to forget it", n)
	}
	if n := c.net.count(acked) - before; n != len(c.net.order) {
		c.t.Errorf("%d of %d failures were acknowledged", n, len(c.net.order))
	}
}

// TestLateCopiesSpoilNoPresignature, neither on its shelf nor while it is used: frames may be
// repeated, and come late.
func TestLateCopiesSpoilNoPresignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPresigner(t, 0, "p1", "p2")
		account := c.presigning(2, 4, time.Hour)
		c.wantStock(account, 4, 30*time.Second)
		for sid := range c.net.heldBy() {
			c.copies(sid)
		}
		c.wantStock(account, 4, 0)
		c.net.all(script{hold: true})
		id := c.signsDigest(account)
		time.Sleep(100 * time.Millisecond)
		spec := c.specOf(id)
		if len(spec.Presign) == 0 {
			t.Fatal("it uses no presignature")
		}
		c.copies(protocol.SID(spec.Presign))
		c.net.all(script{})
		if s, _ := c.finished(id); !s.Presigned || s.Attempt != 1 {
			t.Errorf("attempt %d, presigned: %v", s.Attempt, s.Presigned)
		}
		for range 3 {
			if s, _ := c.signs(account); !s.Presigned || s.Attempt != 1 {
				t.Errorf("attempt %d, presigned: %v", s.Attempt, s.Presigned)
			}
		}
		if n := c.engine.Presignatures(); n.Used != 4 || n.Missed != 0 {
			t.Errorf("counted %+v", n)
		}
	})
}
