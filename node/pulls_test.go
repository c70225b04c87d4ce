package node

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// mute makes a party a host that joins the topic of a session, says nothing there
// and counts the envelopes that come over its streams.
func (p *party) mute(spec *protocol.Spec) *atomic.Int64 {
	tb := p.c.tb
	tb.Helper()
	p.stop()
	p.Restart(true)
	got := new(atomic.Int64)
	err := p.Handle(p2p.Channel{
		Name: protocol.ChannelDirect, MaxFrame: maxFrame, Roles: []p2p.Role{p2p.RoleParty},
		Receive: func(_ p2p.PeerID, data []byte) {
			if f, err := protocol.DecodeDirectFrame(data); err == nil && len(f.Envelope) > 0 {
				got.Add(1)
			}
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	p.c.net.Mesh(p.c.hosts()...)
	name, shared := spec.Topic()
	topic, err := p.Join(p2p.TopicConfig{
		Name: name, Shared: shared, Members: spec.Peers(),
		Validate: func(data []byte) (p2p.PeerID, any, bool) {
			o, err := protocol.OpenEnvelope(data, p2p.Verify)
			if err != nil {
				return "", nil, false
			}
			return o.Header().From, o, true
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { topic.Close() }) //nolint:errcheck // the network ends with the test
	return got
}

// session is a party's session.
func (p *party) session(t *testing.T, sid protocol.SID) *ceremony {
	t.Helper()
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	if p.node.sessions[sid] == nil {
		t.Fatal("the session is not there")
	}
	return p.node.sessions[sid]
}

func pullFrame(t *testing.T, sid protocol.SID) []byte {
	t.Helper()
	data, err := protocol.Marshal(protocol.DirectFrame{SID: sid, Pull: &protocol.Pull{}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A member that pulls as fast as it can gets no more than one that pulls as it
// should, while the session runs and after it has ended.
func TestAMemberThatPullsWithoutEndIsAnsweredNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		spec := c.coord.sign(key, digest(1), c.peers(0, 2))
		sid := spec.SID()
		raw := c.parties[2]
		got := raw.mute(spec)
		c.coord.send(c.peers(0)[0], protocol.Frame{Propose: &protocol.Propose{Spec: *spec}})
		eventually(t, "the honest member has begun", func() bool {
			p := c.coord.reported(sid)
			return len(p) > 0 && p[len(p)-1].Phase == protocol.PhaseRounds
		})
		flood := func(perAnswer int) {
			t.Helper()
			got.Store(0)
			const pulls, lasts = 250, 5 * time.Second
			tick := time.NewTicker(lasts / pulls)
			defer tick.Stop()
			for range pulls {
				if err := raw.Send(t.Context(), c.peers(0)[0], protocol.ChannelDirect, pullFrame(t, sid)); err != nil {
					t.Fatal(err)
				}
				<-tick.C
			}
			synctest.Wait()
			most := int64(perAnswer * (answerBurst + int(lasts/answerEvery)))
			if n := got.Load(); n < most/2 || n > most {
				t.Errorf("%d envelopes for %d pulls, want almost %d", n, pulls, most)
			}
		}
		flood(1) // its first message
		f := c.coord.awaitFailure(sid, c.peers(0)[0])
		if f.Code != protocol.CodeTimeout {
			t.Errorf("the session ended with %+v", f)
		}
		flood(2) // and that it gave up
	})
}

// A member that does not read holds up the answer to itself and nothing else.
func TestASlowMemberDoesNotHoldUpTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		p, slow := c.parties[0], c.peers(2)[0]
		c.net.Sim.Isolate(c.parties[2].Index, true)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 20 { // more than any window of the transport
			go p.Send(ctx, slow, protocol.ChannelDirect, make([]byte, protocol.MaxEnvelope)) //nolint:errcheck // it is never read
		}
		synctest.Wait()
		ended := p.session(t, key.SID())
		answer := "answer " + key.SID().String() + " " + slow
		p.node.receiveDirect(slow, pullFrame(t, key.SID()))
		synctest.Wait()
		running := false
		for _, name := range p.node.jobs.Running() {
			running = running || name == answer
		}
		if !running {
			t.Fatal("the slow member is not being answered: nothing was tested")
		}
		if !ended.mu.TryLock() {
			t.Fatal("the session is locked while a slow member is answered")
		}
		ended.mu.Unlock()
		before := time.Now()
		p.node.propose(c.coord.host.ID(), proposal{spec: key}) // a copy, which is answered again
		p.node.receiveDirect(slow, pullFrame(t, key.SID()))
		if n := p.node.running(); n != 0 || !time.Now().Equal(before) {
			t.Errorf("%d sessions run; it took %v", n, time.Since(before))
		}
	})
}

func TestAnswersToOneMemberComeOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pulls
		if !p.begin("alice") || p.begin("alice") || p.allow("alice") || !p.begin("bob") {
			t.Error("one answer a member, at a time")
		}
		p.end("alice")
		if !p.begin("alice") {
			t.Error("the next answer is refused")
		}
		p.end("alice")
		allowed := 0
		for range 100 {
			if p.allow("alice") {
				allowed++
			}
		}
		if allowed != answerBurst {
			t.Errorf("%d pulls are looked at, at once", allowed)
		}
	})
}
