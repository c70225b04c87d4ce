package node

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// interrupt leaves a party's keystore as a power cut between the two saves of a
// keygen does: the share is pending and no outcome was told.
func (p *party) interrupt(t *testing.T, key *protocol.Spec) {
	t.Helper()
	record, _, err := p.node.made(t.Context(), key.Key, key.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	record.Certificate = nil
	p.node.resolver.forget(nil) // what it has heard is lost
	save := &protocol.Save{Key: record}
	payload, err := protocol.Marshal(save.Key)
	if roleIn(key, p.ID()) == protocol.Delegate {
		payload, err = protocol.Marshal(userShare{Record: save.Key})
	}
	if err != nil {
		t.Fatal(err)
	}
	kind := keystore.Kind(kindShare)
	if roleIn(key, p.ID()) == protocol.Delegate {
		kind = kindUserShare
	}
	p.put(t, keystore.Record{Header: shareHeader(kind, key, keystore.StatePending), Payload: payload})
}

// stateOf is the state of a party's record of a key.
func (p *party) stateOf(t *testing.T, key *protocol.Spec) keystore.State {
	t.Helper()
	_, state, err := p.node.made(t.Context(), key.Key, key.Epoch)
	if err != nil && !errors.Is(err, errNoKey) {
		t.Fatal(err)
	}
	return state
}

func (c *cluster) awaitActive(t *testing.T, key *protocol.Spec, parties ...int) {
	t.Helper()
	for _, i := range parties {
		eventually(t, "the key is complete", func() bool { return c.parties[i].stateOf(t, key) == keystore.StateActive })
	}
}

// A party, or all of them, lose power between pending and active: the key is
// completed when they are back, the user gets the share, and it signs.
func TestAnInterruptedKeygenIsCompletedAfterARestart(t *testing.T) {
	for name, interrupted := range map[string][]int{"the delegate": {2}, "a persistent member": {0}, "two": {1, 2}, "all": {0, 1, 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
				key, cert := c.hybrid(protocol.EdDSA, nil)
				c.coord.mu.Lock()
				clear(c.coord.outcomes)
				c.coord.mu.Unlock()
				for _, i := range interrupted {
					c.parties[i].interrupt(t, key)
				}
				if a := c.coord.askShare(c.peers(2)[0], protocol.ShareRequest{Key: key.Key}); contains(interrupted, 2) != (a.Code == protocol.CodeNoShare) {
					t.Errorf("before: %+v", a)
				}
				for _, i := range interrupted {
					c.parties[i].restart()
				}
				c.net.Mesh(c.hosts()...)
				c.awaitActive(t, key, interrupted...)
				c.signWith(key, cert, digest(1), c.coord.share(c.peers(2)[0], key, nil))
				for _, i := range interrupted {
					peer := c.peers(i)[0]
					c.coord.await("the outcome", 3*resolveEvery, func() bool { return c.coord.outcomes[key.SID()][peer].Record != nil })
					c.coord.mu.Lock()
					o := c.coord.outcomes[key.SID()][peer]
					c.coord.mu.Unlock()
					if err := o.Record.Verify(p2p.Verify); err != nil || !bytes.Equal(o.Record.Body.Certificate.Body.Signed(), cert.Body.Signed()) {
						t.Errorf("the outcome of party %d: %v", i, err)
					}
				}
			})
		})
	}
}

// A key stays pending as long as a member can neither sign its certificate nor say
// that it never did: nobody can make it active alone, and nobody deletes it.
func TestAKeyWithoutAllSharesStaysPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		for _, p := range c.parties[:2] {
			p.interrupt(t, key)
		}
		if err := c.parties[2].store.EraseEpoch(t.Context(), key.Key, key.Epoch); err != nil {
			t.Fatal(err)
		}
		for _, p := range c.parties {
			p.restart()
		}
		c.net.Mesh(c.hosts()...)
		for _, p := range c.parties[:2] {
			if err := p.node.resolve(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		signing := c.coord.sign(key, digest(1), c.peers(0, 1))
		for i, p := range c.parties[:2] {
			if state := p.stateOf(t, key); state != keystore.StatePending {
				t.Errorf("party %d: %q", i, state)
			}
			if a := c.coord.answer(p.ID(), signing); a.Code != protocol.CodeUnknownKey {
				t.Errorf("party %d signs: %+v", i, a)
			}
		}
	})
}

// Whatever a member says about a key, it becomes active with everyone's
// signature only, and says nothing to who is no member.
func TestEndorsementsAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		p := c.parties[0]
		outsider := c.net.Pool(1)[0].ID()
		key, cert := c.key(protocol.EdDSA, 2)
		p.interrupt(t, key)
		copyOf := func(change func(e *protocol.Certificate)) *protocol.Endorse {
			signatures := make([][]byte, len(cert.Signatures))
			copy(signatures, cert.Signatures)
			e := protocol.Certificate{Body: cert.Body, Signatures: signatures}
			change(&e)
			return &protocol.Endorse{Certificate: e}
		}
		member := c.peers(1)[0]
		for name, e := range map[string]struct {
			from    protocol.PeerID
			e       *protocol.Endorse
			replied bool
		}{
			"an outsider":           {outsider, copyOf(func(*protocol.Certificate) {}), false},
			"another public key":    {member, copyOf(func(e *protocol.Certificate) { e.Body.PublicKey = make([]byte, 32) }), false},
			"another attempt":       {member, copyOf(func(e *protocol.Certificate) { e.Body.SID[0] ^= 1 }), false},
			"another key":           {member, copyOf(func(e *protocol.Certificate) { e.Body.Key = newID(t) }), false},
			"no key":                {member, copyOf(func(e *protocol.Certificate) { e.Body.Key = "" }), false},
			"too few signatures":    {member, copyOf(func(e *protocol.Certificate) { e.Signatures = e.Signatures[:2] }), false},
			"one of them missing":   {member, copyOf(func(e *protocol.Certificate) { e.Signatures[2] = nil }), true},
			"one of another member": {member, copyOf(func(e *protocol.Certificate) { e.Signatures[2] = e.Signatures[1] }), true},
		} {
			reply, err := p.node.takeEndorsement(t.Context(), e.from, e.e)
			if err != nil || (reply != nil) != e.replied {
				t.Errorf("%s: reply %v, error %v", name, reply, err)
			}
			if reply != nil && reply.Certificate.Verify(p2p.Verify) == nil {
				t.Errorf("%s: the reply has signatures that nobody gave", name)
			}
			if state := p.stateOf(t, key); state != keystore.StatePending {
				t.Fatalf("%s: the key is %s", name, state)
			}
		}
		rest := copyOf(func(e *protocol.Certificate) { e.Signatures[0], e.Signatures[1] = nil, nil })
		rest.Reply = true
		if reply, err := p.node.takeEndorsement(t.Context(), member, rest); err != nil || reply != nil {
			t.Errorf("a reply is answered: %v, error %v", reply, err)
		}
		if state := p.stateOf(t, key); state != keystore.StateActive { // 1 was heard before, 0 is its own
			t.Errorf("all have signed, and the key is %s", state)
		}
	})
}

// An attempt that comes late does not replace a share that is in use.
func TestAnActiveShareIsNeverReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		own, _ := c.key(protocol.EdDSA, 2)
		user, _ := c.hybrid(protocol.EdDSA, nil)
		n := c.parties[2].node
		for _, key := range []*protocol.Spec{own, user} {
			record, _, err := n.made(t.Context(), key.Key, key.Epoch)
			if err != nil {
				t.Fatal(err)
			}
			for _, active := range []bool{false, true} {
				if err := n.save(t.Context(), &protocol.Save{Active: active, Key: record}); !errors.Is(err, errHaveKey) {
					t.Errorf("saved again, active %v: %v", active, err)
				}
			}
		}
	})
}
