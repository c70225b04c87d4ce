package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestEveryPeerHasATurnOfItsOwn(t *testing.T) {
	d, frame := newDesk(), func() *protocol.Endorse { return &protocol.Endorse{} }
	for i := range endorseAtATime + endorseWaiting + 5 {
		if d.enter("mallory", frame()) != (i < endorseAtATime) {
			t.Errorf("frame %d", i)
		}
	}
	if !d.enter("alice", frame()) || d.leave("alice") != nil {
		t.Error("another peer has to wait")
	}
	next := 0
	for d.leave("mallory") != nil {
		next++
	}
	if next != endorseWaiting {
		t.Errorf("%d frames waited, want %d", next, endorseWaiting)
	}
	for range endorseAtATime - 1 {
		d.leave("mallory")
	}
	if len(d.of) != 0 {
		t.Errorf("left behind: %v", d.of)
	}
}

func TestWhatIsTooLongToBeRealIsRefused(t *testing.T) {
	for name, change := range map[string]func(e *protocol.Endorse){
		"public key":    func(e *protocol.Endorse) { e.Certificate.Body.PublicKey = make([]byte, 180<<10) },
		"key":           func(e *protocol.Endorse) { e.Certificate.Body.Key = strings.Repeat("k", 300) },
		"account":       func(e *protocol.Endorse) { e.Certificate.Body.Account = strings.Repeat("k", 300) },
		"scheme":        func(e *protocol.Endorse) { e.Certificate.Body.Scheme = protocol.Scheme(strings.Repeat("k", 300)) },
		"peer":          func(e *protocol.Endorse) { e.Certificate.Body.Roster[0].Peer = strings.Repeat("k", 300) },
		"signature":     func(e *protocol.Endorse) { e.Certificate.Signatures[1] = make([]byte, 65) },
		"signatures":    func(e *protocol.Endorse) { e.Certificate.Signatures = make([][]byte, 3) },
		"roster":        func(e *protocol.Endorse) { e.Certificate.Body.Roster = make([]protocol.Member, 33) },
		"who abandons":  func(e *protocol.Endorse) { e.Abandon.Party = strings.Repeat("k", 200<<10) },
		"its signature": func(e *protocol.Endorse) { e.Abandon.Signature = make([]byte, 65) },
	} {
		e := &protocol.Endorse{
			Certificate: protocol.Certificate{Body: protocol.CertificateBody{Key: "k", Roster: make([]protocol.Member, 2)}, Signatures: make([][]byte, 2)},
			Abandon:     &protocol.Abandon{Party: "p", Signature: make([]byte, 64)},
		}
		if !mayBeReal(e) {
			t.Fatal("a real one is refused")
		}
		if change(e); mayBeReal(e) {
			t.Errorf("%s: passes", name)
		}
	}
}

// One member asks as fast as it can and does not read the answers. What the others
// answer to this party's own questions has room all the same.
func TestAMemberThatDoesNotReadItsAnswersHoldsUpNobodyElse(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
	p, bad := c.parties[0], c.parties[2]
	key, _ := c.key(protocol.EdDSA, 2)
	bad.stop()
	bad.Restart(true)
	block := make(chan struct{})
	defer close(block)
	err := bad.Handle(p2p.Channel{
		Name: protocol.ChannelDirect, MaxFrame: maxFrame, Roles: []p2p.Role{p2p.RoleParty}, Receive: func(p2p.PeerID, []byte) { <-block },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.net.Mesh(c.hosts()...)
	p.interrupt(t, key)
	flood := c.coord.keygen(protocol.EdDSA, 2, c.peers())
	flood.Expires = time.Now().Add(-time.Hour).Unix()
	for len(flood.Roster) < protocol.MaxParties { // the answer repeats the roster
		flood.Roster = append(flood.Roster, protocol.Member{Peer: strings.Repeat("m", 200+len(flood.Roster)), Role: protocol.External})
	}
	frame, err := protocol.Marshal(protocol.DirectFrame{SID: flood.SID(), Endorse: asked(flood)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			bad.Send(ctx, p.ID(), protocol.ChannelDirect, frame) //nolint:errcheck // as many as get through
		}
	}()
	defer func() { stop(); <-done }()
	waiting := func() int {
		d := p.node.resolver.desk
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.of[bad.ID()] == nil {
			return 0
		}
		return len(d.of[bad.ID()].waiting)
	}
	eventually(t, "its answers are held up", func() bool { return waiting() == endorseWaiting })
	eventually(t, "no slot is held for them", func() bool { return len(p.node.resolver.desk.slots) == 0 })
	asking, enough := context.WithCancel(t.Context())
	settled := make(chan verdict, 1)
	go func() {
		v, err := p.node.settle(asking, key.Key, key.Epoch, time.Hour) // one member never answers
		if err != nil {
			t.Error(err)
		}
		settled <- v
	}()
	defer func() {
		enough()
		if v := <-settled; v.state != keystore.StateActive {
			t.Errorf("%+v", v)
		}
	}()
	c.awaitActive(t, key, 0)
}
