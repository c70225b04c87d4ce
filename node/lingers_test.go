package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// lingering counts what a party keeps of sessions that are over: those that have begun, and
// others.
func (p *party) lingering() (ended, stillborn int) {
	p.node.mu.Lock()
	defer p.node.mu.Unlock()
	return len(p.node.lingers.ended), len(p.node.lingers.stillborn)
}

// However many proposals a party refuses, it keeps the sessions that its members may still
// pull from, for their time.
func TestRefusedProposalsPushOutNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		synctest.Wait()
		before, _ := p.lingering()
		spec := c.coord.sign(key, digest(1), c.peers())
		checkSignatures(t, spec, cert, c.coord.run(spec))
		for i := range 600 {
			s := c.coord.sign(key, digest(1000+i), c.peers())
			s.Network = "elsewhere"
			c.coord.send(p.ID(), protocol.Frame{Propose: &protocol.Propose{Spec: *s}})
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		ended, stillborn := p.lingering()
		if ended != before+1 || stillborn != maxStillborn {
			t.Errorf("%d sessions that have ended and %d refused ones are kept, want %d and %d", ended, stillborn, before+1, maxStillborn)
		}
		p.session(t, spec.SID())
		time.Sleep(linger + 2*sweepInterval)
		if ended, stillborn := p.lingering(); ended+stillborn != 0 {
			t.Errorf("%d sessions and %d refused ones are kept after their time", ended, stillborn)
		}
		p.node.mu.Lock()
		defer p.node.mu.Unlock()
		if len(p.node.sessions) != 0 || p.node.lingers.bytes != 0 {
			t.Errorf("%d sessions are left, with %d bytes", len(p.node.sessions), p.node.lingers.bytes)
		}
	})
}

// Sessions that have ended are kept by the room that they take, not by their number: those
// of some seconds fit, when there are hundreds of signings a second.
func TestEndedSessionsAreBoundedInBytes(t *testing.T) {
	var l lingering
	now, small, large := time.Now(), lingerCost+4<<10, 1<<20
	for range 10 * 400 {
		l.ended = append(l.ended, ended{&ceremony{endedAt: now}, small})
		l.bytes += small
	}
	if _, found := l.surplus(now.Add(10 * time.Second)); found {
		t.Error("the sessions of ten seconds do not fit")
	}
	for range 2 * lingerBytes / large {
		l.ended = append(l.ended, ended{&ceremony{endedAt: now}, large})
		l.bytes += large
	}
	for _, found := l.surplus(now); found; _, found = l.surplus(now) {
	}
	if l.bytes > lingerBytes || l.bytes < lingerBytes-large || len(l.ended) != l.bytes/large {
		t.Errorf("%d sessions with %d bytes are kept, want the last ones with at most %d", len(l.ended), l.bytes, lingerBytes)
	}
}
