package coordinator

import (
	"maps"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// presignTime is how long the fake parties take to presign.
const presignTime = 300 * time.Millisecond

// fakeHeld are the presignatures that a party holds, and what it was told of them.
type fakeHeld struct {
	held   map[protocol.SID]*protocol.Spec
	forgot int // times that it was told to forget all
}

// presign takes part in a presigning. The party's script may say otherwise.
func (p *party) presign(s *protocol.Spec, act script) {
	sid := s.SID()
	if now := time.Now(); s.Deadline().After(now.Add(3*time.Minute)) || time.Unix(s.HoldUntil, 0).After(s.Deadline().Add(24*time.Hour)) {
		p.net.t.Errorf("a presigning that parties refuse: it expires at %v and is held until %v", s.Deadline(), time.Unix(s.HoldUntil, 0))
	}
	if act.room > 0 && p.holds() >= act.room {
		act.presign = protocol.CodeBusy
	}
	p.net.deliver(p.ID(), protocol.Frame{Answer: &protocol.Answer{SID: sid, Code: act.presign}})
	if act.presign != "" || act.noHold {
		return
	}
	for _, ready := range p.net.join(s, p.ID(), act) {
		p.net.spawn(func() { ready.hold(s) })
	}
}

// hold ends a presigning well.
func (p *party) hold(s *protocol.Spec) {
	select {
	case <-time.After(presignTime):
	case <-p.net.down:
		return
	}
	sid := s.SID()
	p.mu.Lock()
	gone := p.stopped[sid] || p.script.dead
	if !gone {
		if p.presigned.held == nil {
			p.presigned.held = make(map[protocol.SID]*protocol.Spec)
		}
		p.presigned.held[sid] = s
	}
	p.mu.Unlock()
	if !gone {
		until := s.HoldUntil
		if d := p.now().holdsFor; d > 0 {
			until = time.Now().Add(d).Unix()
		}
		p.net.deliver(p.ID(), protocol.Frame{Held: &protocol.Held{SID: sid, Until: until}})
	}
}

// bind uses the presignature up that a signing names; a code when it cannot.
func (p *party) bind(s *protocol.Spec) protocol.Code {
	if len(s.Presign) == 0 {
		return ""
	}
	named, sid := protocol.SID(s.Presign), s.SID()
	p.net.mu.Lock()
	if p.net.named == nil {
		p.net.named = make(map[protocol.SID]protocol.SID)
	}
	if by, ok := p.net.named[named]; ok && by != sid {
		p.net.t.Errorf("two signings name one presignature")
	}
	p.net.named[named] = sid
	p.net.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bound[sid] {
		return ""
	}
	held := p.presigned.held[named]
	if held == nil || !time.Now().Before(time.Unix(held.HoldUntil, 0)) || held.Key != s.Key || len(held.Roster) != len(s.Roster) {
		return protocol.CodeNoPresign
	}
	delete(p.presigned.held, named)
	if p.bound == nil {
		p.bound = make(map[protocol.SID]bool)
	}
	p.bound[sid] = true
	return ""
}

// forget drops what a cancelled presigning has made; nil: everything.
func (p *party) forget(sid *protocol.SID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sid != nil {
		delete(p.presigned.held, *sid)
		return
	}
	p.presigned.forgot++
	clear(p.presigned.held)
}

// reboot starts the party's process anew.
func (p *party) reboot() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.boot++
	p.seq = 0
	clear(p.presigned.held)
}

func (p *party) holds() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.presigned.held)
}

// heldBy returns the presignatures that any of the parties holds.
func (n *fakeNet) heldBy() map[protocol.SID]bool {
	all := make(map[protocol.SID]bool)
	for _, p := range n.order {
		p.mu.Lock()
		for sid := range maps.Keys(p.presigned.held) {
			all[sid] = true
		}
		p.mu.Unlock()
	}
	return all
}

// presignings counts the presignings that were proposed.
func (n *fakeNet) presignings() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	sids := make(map[protocol.SID]bool)
	for i := range n.sent {
		if f := n.sent[i].Propose; f != nil && f.Spec.Kind == protocol.KindPresign {
			sids[f.Spec.SID()] = true
		}
	}
	return len(sids)
}
