package node

import (
	"bufio"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// question is what a member asks about an attempt of which it has a pending share.
func question(cert *protocol.Certificate, spec *protocol.Spec) *protocol.Endorse {
	return &protocol.Endorse{Certificate: protocol.Certificate{Body: cert.Body, Signatures: make([][]byte, len(cert.Signatures))}, Spec: spec}
}

// logged collects what is logged as an error until the function that it returns is called.
func logged(t *testing.T) func() string {
	t.Helper()
	pipe := logging.NewPipeReader(logging.PipeFormat(logging.JSONOutput), logging.PipeLevel(logging.LevelError))
	var (
		reading sync.WaitGroup
		lines   strings.Builder
	)
	reading.Go(func() {
		for scan := bufio.NewScanner(pipe); scan.Scan(); {
			lines.WriteString(scan.Text() + "\n")
		}
	})
	return func() string {
		if err := pipe.Close(); err != nil {
			t.Error(err)
		}
		reading.Wait()
		return lines.String()
	}
}

// lose deletes a party's record of a key behind its back: as in a party that lies, or
// that was restored from a backup which is older than the key.
func (p *party) lose(t *testing.T, key *protocol.Spec) {
	t.Helper()
	if err := p.store.Delete(t.Context(), kindShare, shareID(key.Key, key.Epoch)); err != nil {
		t.Fatal(err)
	}
}

// never asks a party and tells whether it says that it will never sign.
func (p *party) never(t *testing.T, from p2p.PeerID, e *protocol.Endorse) bool {
	t.Helper()
	reply, err := p.node.takeEndorsement(t.Context(), from, e)
	if err != nil {
		t.Fatal(err)
	}
	if reply == nil || reply.Abandon == nil {
		return false
	}
	if a := reply.Abandon; a.SID != e.Certificate.Body.SID || a.Party != p.ID() || !a.Verify(p2p.Verify) || !reply.Reply {
		t.Errorf("%+v", reply)
	}
	return true
}

// A party that has or may have had a share does not say that it never signs.
func TestWhoHasSignedDoesNotSayThatItNeverDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		p, d, member := c.parties[0], c.parties[2], c.peers(1)[0]
		key, cert := c.key(protocol.EdDSA, 2)
		user, userCert := c.hybrid(protocol.EdDSA, nil)
		if p.never(t, member, question(cert, key)) {
			t.Error("with an active share")
		}
		p.interrupt(t, key)
		if p.never(t, member, question(cert, key)) {
			t.Error("with a pending share")
		}
		if err := d.node.shares.erase(t.Context(), user.Key, user.Epoch); err != nil {
			t.Fatal(err)
		}
		if d.never(t, member, question(userCert, user)) {
			t.Error("after a user's share was erased")
		}
		p.lose(t, key)
		p.node.resolver.doubt(key.SID(), errKilled)
		if p.never(t, member, question(cert, key)) {
			t.Error("after a save that failed, which may have reached the disk")
		}
	})
}

// A party says that it will never sign only if it is certain, for ever, and only to
// members.
func TestWhoMaySayThatItNeverSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		p, member := c.parties[0], c.peers(1)[0]
		key, cert := c.key(protocol.EdDSA, 2)
		p.lose(t, key)
		ask := func(change func(e *protocol.Endorse)) *protocol.Endorse {
			e := question(cert, clone(key))
			change(e)
			return e
		}
		as := func(change func(s *protocol.Spec)) *protocol.Endorse {
			return ask(func(e *protocol.Endorse) {
				change(e.Spec)
				e.Certificate.Body.SID, e.Certificate.Body.Key = e.Spec.SID(), e.Spec.Key
			})
		}
		same := func(*protocol.Endorse) {}
		for name, e := range map[string]struct {
			from protocol.PeerID
			e    *protocol.Endorse
			want bool
		}{
			"a member asks":        {member, ask(same), true},
			"an outsider asks":     {c.net.Pool(1)[0].ID(), ask(same), false},
			"it asks itself":       {p.ID(), ask(same), false},
			"a reply":              {member, ask(func(e *protocol.Endorse) { e.Reply = true }), false},
			"without a spec":       {member, ask(func(e *protocol.Endorse) { e.Spec = nil }), false},
			"another spec":         {member, ask(func(e *protocol.Endorse) { e.Spec.Owner = "somebody" }), false},
			"another key":          {member, ask(func(e *protocol.Endorse) { e.Certificate.Body.Key = newID(t) }), false},
			"another network":      {member, as(func(s *protocol.Spec) { s.Network += "x" }), false},
			"not a member":         {member, as(func(s *protocol.Spec) { s.Roster = s.Roster[1:] }), false},
			"a later attempt":      {member, as(func(s *protocol.Spec) { s.Attempt++ }), false},
			"a session never seen": {member, as(func(s *protocol.Spec) { s.Session = newID(t); s.Key = s.Session }), false},
			"a signing":            {member, as(func(s *protocol.Spec) { s.Kind, s.Payload = protocol.KindSign, digest(1) }), false},
			"an id that cannot be": {member, as(func(s *protocol.Spec) { s.Session = strings.Repeat("k", 300); s.Key = s.Session }), false},
			"expired, just now":    {member, as(func(s *protocol.Spec) { s.Attempt++; s.Expires = time.Now().Add(-time.Second).Unix() }), false},
			"expired, by all clocks": {member, as(func(s *protocol.Spec) {
				s.Attempt++
				s.Expires = time.Now().Add(-protocol.MaxClockSkew - time.Second).Unix()
			}), true},
		} {
			if got := p.never(t, e.from, e.e); got != e.want {
				t.Errorf("%s: says that it never signs: %v", name, got)
			}
		}
	})
}

// A party is silent while the attempt runs, and also while it waits for its user.
func TestAPartyInASessionSaysNothingAboutIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		_, cert := c.key(protocol.EdDSA, 2)
		spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		if a := c.coord.answer(c.peers(0)[0], spec); a.Code != "" { // the others do not know of it: it waits for them
			t.Fatalf("%+v", a)
		}
		n := c.parties[0].node
		ask := func() *protocol.Endorse {
			t.Helper()
			e := question(cert, spec)
			e.Certificate.Body = protocol.NewCertificateBody(spec, &protocol.Result{}, [32]byte{})
			reply, err := n.takeEndorsement(t.Context(), c.peers(1)[0], e)
			if err != nil {
				t.Fatal(err)
			}
			return reply
		}
		if ask() != nil {
			t.Error("it may still sign, and says that it does not")
		}
		c.giveUp(spec, 0)
		if reply := ask(); reply == nil || reply.Abandon == nil {
			t.Error("it will never sign, and does not say so")
		}
	})
}

// What does not hold of a member's word counts for nothing.
func TestAWordThatDoesNotHoldDropsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		other, _ := c.key(protocol.EdDSA, 2)
		p, liar := c.parties[0], c.parties[1]
		for _, p := range c.parties {
			p.interrupt(t, key)
		}
		outsider := c.net.Pool(1)[0]
		forged := protocol.SignAbandon(liar.Host, key.SID())
		forged.Signature = slices.Clone(forged.Signature)
		forged.Signature[3] ^= 1
		stolen := protocol.SignAbandon(liar.Host, key.SID())
		stolen.Party = c.peers(2)[0]
		for name, a := range map[string]*protocol.Abandon{
			"forged": forged, "of another member": stolen, "an outsider's": protocol.SignAbandon(outsider.Host, key.SID()),
			"of another attempt": protocol.SignAbandon(liar.Host, other.SID()), "its own": protocol.SignAbandon(p.Host, key.SID()), "empty": {},
		} {
			e := question(cert, nil)
			e.Reply, e.Abandon = true, a
			if reply, err := p.node.takeEndorsement(t.Context(), liar.ID(), e); reply != nil || err != nil {
				t.Errorf("%s: %+v, %v", name, reply, err)
			}
			if v, err := p.node.decide(t.Context(), key); err != nil || v.state != keystore.StatePending {
				t.Errorf("%s: the share is %q, %v", name, v.state, err)
			}
		}
		e := question(cert, nil) // the same word, unasked for
		e.Abandon = protocol.SignAbandon(liar.Host, key.SID())
		if _, err := p.node.takeEndorsement(t.Context(), liar.ID(), e); err != nil {
			t.Error(err)
		}
		if v, err := p.node.decide(t.Context(), key); err != nil || v.state != keystore.StatePending {
			t.Errorf("unasked for: the share is %q, %v", v.state, err)
		}
	})
}

// A party that stops between keeping the word and deleting its share goes on from
// there, without asking anybody, and gives that word to who asks; the key is made again.
func TestAShareThatWasBeingDroppedIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		for _, p := range c.parties[:2] {
			p.interrupt(t, key)
		}
		p, never := c.parties[0], c.parties[2]
		never.lose(t, key)
		word, err := protocol.Marshal(protocol.SignAbandon(never.Host, key.SID()))
		if err != nil {
			t.Fatal(err)
		}
		header := keystore.Header{Kind: kindAbandon, ID: key.SID().String(), Account: key.Account, State: keystore.StateRetired}
		p.put(t, keystore.Record{Header: header, Payload: word})
		never.kill()
		p.restart()
		eventually(t, "the share is gone", func() bool { return p.stateOf(t, key) == "" })
		for range 2 {
			reply, err := p.node.takeEndorsement(t.Context(), c.peers(1)[0], question(cert, key))
			if err != nil || reply == nil || reply.Abandon == nil || reply.Abandon.Party != never.ID() {
				t.Errorf("%+v, %v", reply, err)
			}
			p.restart()
		}
		c.net.Mesh(p.Node, c.parties[1].Node, c.coord.node)
		eventually(t, "the other one has heard of it", func() bool { return c.parties[1].stateOf(t, key) == "" })
		never.revive()
		c.net.Mesh(c.hosts()...)
		next := retry(key)
		certificate(t, c.coord.run(next))
		c.allActive(t, next)
	})
}

// A member that was restored from an old backup says that it never signed. Whoever
// asks hears from another that the key is complete, and completes it as well.
func TestACompleteKeyWinsOverAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		c.parties[0].interrupt(t, key)
		c.parties[2].lose(t, key)
		if v, err := c.parties[0].node.settle(t.Context(), key.Key, key.Epoch, retryLimit); err != nil || v.state != keystore.StateActive {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// unhear removes members' signatures from what a party has kept of a pending key.
func (p *party) unhear(t *testing.T, key *protocol.Spec, members ...int) {
	t.Helper()
	record, _, err := p.node.made(t.Context(), key.Key, key.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	if record.Certificate == nil {
		t.Fatal("the signatures that the session heard are not on disk")
	}
	for _, i := range members {
		record.Certificate.Signatures[i] = nil
	}
	if err := p.node.write(t.Context(), &protocol.Save{Key: record}); err != nil {
		t.Fatal(err)
	}
}

// A member gives its signature to one and says to another that it never signed. Who
// hears both keeps the share, also after a restart, and says who it is; who hears the word
// alone keeps it as long as another member is away, and completes the key with that one. The
// coordinator never has everyone's result, so that nobody is told of the key.
func TestAMemberThatSaysTwoThings(t *testing.T) {
	for name, m := range map[string]struct {
		apart bool  // b is away
		lacks []int // whose signatures a has not heard in the session: 1 is b, 2 the liar
		a, b  keystore.State
		named bool // somebody hears both
	}{
		"the session told everything":        {apart: true, a: keystore.StateActive, b: keystore.StateActive},
		"the honest hear of both":            {lacks: []int{1, 2}, a: keystore.StateActive, b: keystore.StateActive, named: true},
		"one was told, and is alone":         {apart: true, lacks: []int{1}, a: keystore.StatePending, b: keystore.StateActive, named: true},
		"one was not told anything, nor now": {apart: true, lacks: []int{1, 2}, a: keystore.StatePending, b: keystore.StateActive, named: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				text := logged(t)
				c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
				a, b, liar := c.parties[0], c.parties[1], c.parties[2]
				var full atomic.Bool // the disks of all
				full.Store(true)
				for _, p := range c.parties { // all have signed and heard each other, and nobody can save that
					p.node.crash = func(save *protocol.Save, done bool) error {
						if save.Active && full.Load() {
							return errKilled
						}
						return nil
					}
				}
				key := c.coord.keygen(protocol.EdDSA, 2, c.peers())
				c.coord.propose(key)
				for _, p := range c.parties {
					eventually(t, "the session has ended", func() bool { return p.stateOf(t, key) == keystore.StatePending && !p.node.underWay(key.SID()) })
				}
				if m.apart {
					c.net.Sim.Isolate(b.Index, true)
					b.node.resolver.mu.Lock()
					b.node.resolver.heard[shareID(key.Key, key.Epoch)].Signatures[0] = nil // not what a has sent
					b.node.resolver.mu.Unlock()
				}
				a.unhear(t, key, m.lacks...)
				liar.lose(t, key)
				full.Store(false)
				a.restart()
				c.net.Mesh(a.Node, liar.Node, c.coord.node)
				if !m.apart {
					c.net.Mesh(a.Node, b.Node)
				}
				if _, err := a.node.settle(t.Context(), key.Key, key.Epoch, retryLimit); err != nil {
					t.Error(err)
				}
				if state := a.stateOf(t, key); state != m.a {
					t.Errorf("a has %q, want %q", state, m.a)
				}
				if m.apart {
					c.net.Sim.Isolate(b.Index, false)
					c.net.Mesh(c.hosts()...)
				}
				if _, err := b.node.settle(t.Context(), key.Key, key.Epoch, retryLimit); err != nil {
					t.Error(err)
				}
				if state := b.stateOf(t, key); state != m.b {
					t.Errorf("b has %q, want %q: it has the liar's signature", state, m.b)
				}
				c.coord.mu.Lock()
				for peer, o := range c.coord.outcomes[key.SID()] {
					if o.Record != nil && peer == liar.ID() {
						t.Error("the liar delivered")
					}
				}
				c.coord.mu.Unlock()
				<-time.After(settleSoonFor) // every answer that was on its way
				if state := a.stateOf(t, key); state == "" {
					t.Error("a has dropped its share of a key that b has, in the end")
				}
				if text := text(); m.named && (!strings.Contains(text, "never will") || !strings.Contains(text, liar.ID())) {
					t.Errorf("nobody says who it is: %s", text)
				}
			})
		})
	}
}

// A member says, against the truth, that it never signed, while another one, which has the
// complete key, cannot be reached: the share is kept, the coordinator hears who has to come
// back, and then the key is complete at both.
func TestAWordDropsNothingWhileAMemberIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		a, b, liar := c.parties[0], c.parties[1], c.parties[2]
		key, _ := c.key(protocol.EdDSA, 2)
		a.interrupt(t, key)
		liar.lose(t, key)
		c.net.Sim.Isolate(b.Index, true)
		next := retry(key)
		if ans := c.coord.answer(a.ID(), next); ans.Code != protocol.CodeReplay || !slices.Equal(ans.Peers, []protocol.PeerID{b.ID()}) || !strings.Contains(ans.Detail, b.ID()) {
			t.Errorf("the next attempt: %+v, want that it waits for %s", ans, b.ID())
		}
		for a.node.resolver.prompt.allow(next.Coordinator) { // quick retries
		}
		next.Attempt++
		if ans := c.coord.answer(a.ID(), next); ans.Code != protocol.CodeReplay || !slices.Equal(ans.Peers, []protocol.PeerID{b.ID()}) {
			t.Errorf("when nobody is asked: %+v, want that it waits for %s, and not for %s, which is here", ans, b.ID(), liar.ID())
		}
		if state := a.stateOf(t, key); state != keystore.StatePending {
			t.Fatalf("a has %q", state)
		}
		c.net.Sim.Isolate(b.Index, false)
		c.net.Mesh(c.hosts()...)
		c.awaitActive(t, key, 0, 1)
		next.Attempt++
		for _, p := range []*party{a, b} {
			if ans := c.coord.answer(p.ID(), next); ans.Code != protocol.CodeReplay {
				t.Errorf("another key is begun over this one: %+v", ans)
			}
		}
	})
}

// A member that is reached and says nothing until the limit, because its share is damaged
// or was erased, has not answered either. Who never signed need not be asked twice.
func TestSilenceIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 4, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		a, silent := c.parties[0], c.parties[1]
		a.interrupt(t, key)
		if err := silent.store.EraseEpoch(t.Context(), key.Key, key.Epoch); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.parties[2:] {
			p.lose(t, key)
		}
		v, err := a.node.settle(t.Context(), key.Key, key.Epoch, retryLimit)
		if err != nil || v.state != keystore.StatePending || !slices.Equal(v.waiting, []protocol.PeerID{silent.ID()}) {
			t.Errorf("%+v, %v", v, err)
		}
		c.net.Sim.Isolate(c.parties[2].Index, true) // its word is known
		e := question(cert, nil)
		e.Reply, e.Abandon = true, protocol.SignAbandon(c.parties[2].Host, key.SID())
		if _, err := a.node.takeEndorsement(t.Context(), silent.ID(), e); err != nil {
			t.Fatal(err)
		}
		if v, err = a.node.decide(t.Context(), key); err != nil || v.state != "" {
			t.Errorf("when all others have answered: %+v, %v", v, err)
		}
	})
}

// A member that was killed before it had a share comes back while another one is away:
// the share is dropped when that one is back too, and the next attempt makes the key.
func TestAnHonestRetryWaitsForEverybodyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key := c.coord.keygen(protocol.EdDSA, 2, c.peers())
		killed := c.killAt(2, moments[0])
		c.coord.propose(key)
		await(t, "a member is killed", killed)
		for _, p := range c.parties[:2] {
			eventually(t, "the others have a share", func() bool { return p.stateOf(t, key) != "" })
		}
		c.parties[2].stop()
		c.giveUp(key, 0, 1)
		c.parties[1].kill()
		c.parties[2].revive()
		c.net.Mesh(c.parties[0].Node, c.parties[2].Node, c.coord.node)
		next := retry(key)
		if ans := c.coord.answer(c.parties[0].ID(), next); ans.Code != protocol.CodeReplay || !slices.Equal(ans.Peers, c.peers(1)) {
			t.Errorf("%+v, want that it waits for party 1", ans)
		}
		c.parties[1].revive()
		c.net.Mesh(c.hosts()...)
		next.Attempt++
		certificate(t, c.coord.run(next))
		c.allActive(t, next)
	})
}
