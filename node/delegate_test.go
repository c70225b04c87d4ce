package node

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// hybrid makes a 2-of-3 key whose last member takes part for a user, who has
// named a recipient or nobody.
func (c *cluster) hybrid(scheme protocol.Scheme, recipient []byte) (*protocol.Spec, *protocol.Certificate) {
	c.tb.Helper()
	if scheme == protocol.ECDSA {
		c.stock()
	}
	spec := c.coord.keygen(scheme, 2, c.peers(0, 1, 2))
	spec.Roster[2].Role, spec.Recipient = protocol.Delegate, recipient
	return spec, certificate(c.tb, c.coord.run(spec))
}

// askShare asks a delegate for the user's share.
func (s *scripted) askShare(to p2p.PeerID, q protocol.ShareRequest) protocol.ShareReply {
	s.tb.Helper()
	q.ID = newID(s.tb)
	s.send(to, protocol.Frame{ShareRequest: &q})
	s.await("a share reply", 3*time.Minute, func() bool { return s.replies[q.ID].ID != "" })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replies[q.ID]
}

// share asks for a share that must be given and returns its data, unsealed.
func (s *scripted) share(to p2p.PeerID, key *protocol.Spec, user *ecdh.PrivateKey) []byte {
	s.tb.Helper()
	q := protocol.ShareRequest{Key: key.Key}
	if user != nil {
		q.Recipient = user.PublicKey().Bytes()
	}
	r := s.askShare(to, q)
	if r.Code != "" {
		s.tb.Fatalf("the share is refused: %+v", r)
	}
	sealed, data, err := protocol.ParseShare(r.Share)
	if err != nil || sealed != (user != nil) {
		s.tb.Fatalf("share sealed: %v, error %v", sealed, err)
	}
	if left := time.Until(time.Unix(r.Expires, 0)); left <= 0 || left > userShareLife {
		s.tb.Errorf("the share can be fetched for another %v", left)
	}
	if !sealed {
		return data
	}
	plain, err := protocol.OpenShare(user, protocol.BindingFor(key), data)
	if err != nil {
		s.tb.Fatal(err)
	}
	return plain
}

func newUser(tb testing.TB) *ecdh.PrivateKey {
	tb.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// sealed is a user's share as a client sends it: to the delegate's seal key, for
// one signing.
func (p *party) sealed(spec *protocol.Spec, data []byte) string {
	p.c.tb.Helper()
	k, err := protocol.OpenSealKey(p.node.heartbeat(p.c.tb.Context(), 1).SealKey, p2p.Verify)
	if err != nil {
		p.c.tb.Fatal(err)
	}
	if k.Peer != p.ID() || k.Network != p.c.net.Name || time.Until(time.Unix(k.Expires, 0)) > sealKeyLife {
		p.c.tb.Errorf("the seal key is %+v", k)
	}
	out, err := protocol.SealShare(k.Key, protocol.BindingFor(spec), data)
	if err != nil {
		p.c.tb.Fatal(err)
	}
	return protocol.FormatShare(true, out)
}

// signWith signs with a persistent member and the user's share.
func (c *cluster) signWith(key *protocol.Spec, cert *protocol.Certificate, payload []byte, data []byte) {
	c.tb.Helper()
	spec := c.coord.sign(key, payload, c.peers(1, 2))
	c.coord.proposeWith(spec, c.parties[2].sealed(spec, data))
	checkSignatures(c.tb, spec, cert, c.coord.result(spec))
}

func TestAUserSignsWithTheShareThatTheDelegateMade(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			c := newCluster(t, p2ptest.Config{Transport: transport}, 3, nil)
			schemes := []protocol.Scheme{protocol.EdDSA, protocol.ECDSA}
			if transport == p2ptest.TCP {
				schemes = schemes[:1] // what ECDSA adds is size, and it does not depend on the transport
			}
			for i, scheme := range schemes {
				user := newUser(t)
				key, cert := c.hybrid(scheme, user.PublicKey().Bytes())
				data := c.coord.share(c.peers(2)[0], key, user)
				c.signWith(key, cert, digest(i), data)
				spec := c.coord.sign(key, digest(i), c.peers(0, 1)) // the others do not need the user
				checkSignatures(t, spec, cert, c.coord.run(spec))
			}
		})
	}
}

func TestADelegateKeepsNoShareOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.hybrid(protocol.EdDSA, nil)
		d := c.parties[2]
		if n := d.node.heartbeat(t.Context(), 1).Keys; n != 0 {
			t.Errorf("the delegate counts %d shares as its own", n)
		}
		if _, err := d.node.keys.load(t.Context(), key.Key, key.Epoch); !errors.Is(err, errNoKey) {
			t.Errorf("the delegate could sign by itself: %v", err)
		}
		data := c.coord.share(d.ID(), key, nil)
		reply := c.coord.askShare(d.ID(), protocol.ShareRequest{Key: key.Key, Erase: true})
		if reply.Code != "" || !reply.Erased {
			t.Fatalf("not erased: %+v", reply)
		}
		for range 2 { // at once, and after a restart
			if r := c.coord.askShare(d.ID(), protocol.ShareRequest{Key: key.Key, Erase: true}); r.Code != "" || !r.Erased {
				t.Errorf("erased again: %+v", r)
			}
			if r := c.coord.askShare(d.ID(), protocol.ShareRequest{Key: key.Key}); r.Code != protocol.CodeNoShare || r.Share != "" {
				t.Errorf("an erased share: %+v", r)
			}
			if headers, err := d.store.List(t.Context(), kindUserShare); err != nil || len(headers) != 0 {
				t.Errorf("left: %v, %v", headers, err)
			}
			again := *key
			again.Attempt = 2
			if a := c.coord.answer(d.ID(), &again); a.Code != protocol.CodeReplay {
				t.Errorf("the key is made again: %+v", a)
			}
			c.signWith(key, cert, digest(1), data)
			d.restart()
			c.net.Mesh(c.hosts()...)
		}
	})
}

// Whoever asked first, or the keygen itself, says for whom the share is.
func TestAUsersShareIsForOneRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		d := c.parties[2]
		refused := func(what string, key *protocol.Spec, recipient []byte, code protocol.Code) {
			t.Helper()
			if r := c.coord.askShare(d.ID(), protocol.ShareRequest{Key: key.Key, Recipient: recipient}); r.Code != code || r.Share != "" {
				t.Errorf("%s: %+v, want %q", what, r, code)
			}
		}
		user, other := newUser(t), newUser(t).PublicKey().Bytes()
		named, _ := c.hybrid(protocol.EdDSA, user.PublicKey().Bytes())
		open, _ := c.hybrid(protocol.EdDSA, nil)
		plain, _ := c.hybrid(protocol.EdDSA, nil)
		d.restart() // nobody has asked yet
		c.net.Mesh(c.hosts()...)
		refused("a recipient of small order", open, make([]byte, 32), protocol.CodeInvalid)
		refused("half a recipient", open, other[:16], protocol.CodeInvalid)
		for range 2 {
			for _, key := range []*protocol.Spec{named, open} {
				first := c.coord.share(d.ID(), key, user)
				refused("in plain", key, nil, protocol.CodeUnauthorised)
				refused("another recipient", key, other, protocol.CodeUnauthorised)
				if again := c.coord.share(d.ID(), key, user); !bytes.Equal(first, again) {
					t.Error("another share is given out the second time")
				}
			}
			c.coord.share(d.ID(), plain, nil)
			refused("a recipient after it was given out in plain", plain, other, protocol.CodeUnauthorised)
			d.restart()
			c.net.Mesh(c.hosts()...)
		}
		for name, r := range map[string]protocol.ShareRequest{
			"unknown key": {Key: newID(t)}, "unknown epoch": {Key: named.Key, Epoch: 1}, "erase an unknown key": {Key: newID(t), Erase: true},
		} {
			if reply := c.coord.askShare(d.ID(), r); reply.Code != protocol.CodeNoShare {
				t.Errorf("%s: %+v", name, reply)
			}
		}
		if r := c.coord.askShare(c.peers(0)[0], protocol.ShareRequest{Key: named.Key, Erase: true}); r.Code != protocol.CodeNoShare || r.Erased {
			t.Errorf("a persistent member erases: %+v", r)
		}
	})
}

func TestAUsersShareIsForItsCoordinatorOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, _ := c.hybrid(protocol.EdDSA, nil)
		second := c.net.Add(p2p.RoleCoordinator)
		stranger := newScripted(t, second.Host, c.net.Name, c.coord.approver)
		second.Start()
		c.net.Mesh(second, c.parties[2].Node)
		for _, erase := range []bool{false, true} {
			r := stranger.askShare(c.peers(2)[0], protocol.ShareRequest{Key: key.Key, Erase: erase})
			if r.Code != protocol.CodeUnauthorised || r.Share != "" || r.Erased {
				t.Errorf("erase %v: %+v", erase, r)
			}
		}
		c.coord.share(c.peers(2)[0], key, nil)
	})
}

func TestAUsersShareIsErasedWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		d := c.parties[2]
		first, _ := c.hybrid(protocol.EdDSA, nil)
		second, _ := c.hybrid(protocol.EdDSA, nil)
		third, _ := c.hybrid(protocol.EdDSA, nil)
		gone := func(key *protocol.Spec, want bool) {
			t.Helper()
			erased, err := d.store.Erased(t.Context(), key.Key, key.Epoch)
			if err != nil || erased != want {
				t.Errorf("erased: %v, want %v, error %v", erased, want, err)
			}
		}
		d.node.shares.expire(t.Context(), time.Now().Add(userShareLife-time.Minute))
		gone(first, false)

		d.outdate(first) // while it runs, asked for
		if r := c.coord.askShare(d.ID(), protocol.ShareRequest{Key: first.Key}); r.Code != protocol.CodeNoShare {
			t.Errorf("an expired share is given out: %+v", r)
		}
		gone(first, true)
		d.outdate(second) // while the party was down
		d.restart()
		eventually(t, "the expired share is gone", func() bool {
			erased, err := d.store.Erased(t.Context(), second.Key, second.Epoch)
			return err == nil && erased
		})
		gone(third, false)
		d.node.shares.expire(t.Context(), time.Now().Add(userShareLife)) // while it runs, not asked for
		gone(third, true)
	})
}

// outdate lets a share's time be up.
func (p *party) outdate(key *protocol.Spec) {
	p.c.tb.Helper()
	ctx := p.c.tb.Context()
	share, err := p.node.shares.load(ctx, key.Key, key.Epoch)
	if err != nil {
		p.c.tb.Fatal(err)
	}
	share.Expires = time.Now().Unix()
	if err := p.node.shares.put(ctx, share, keystore.StateActive); err != nil {
		p.c.tb.Fatal(err)
	}
}

func TestTooManyRequestsForUserShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, _ := c.hybrid(protocol.EdDSA, nil)
		d := c.peers(2)[0]
		ask := func() bool { return c.coord.askShare(d, protocol.ShareRequest{Key: key.Key}).Code == protocol.CodeBusy }
		busy := 0
		for range 3 * shareAskBurst {
			if ask() {
				busy++
			}
		}
		if busy == 0 || busy > 2*shareAskBurst {
			t.Errorf("%d of %d requests at full speed are refused", busy, 3*shareAskBurst)
		}
		eventually(t, "the share is given out again", func() bool { return !ask() })
		for _, q := range []protocol.ShareRequest{{ID: "", Key: key.Key}, {ID: strings.Repeat("x", maxShareAskID+1), Key: key.Key}, {ID: "no key"}, {ID: "long key", Key: strings.Repeat("x", 256)}} {
			c.coord.send(d, protocol.Frame{ShareRequest: &q})
		}
		eventually(t, "the share is given out once more", func() bool { return !ask() })
		c.coord.mu.Lock()
		defer c.coord.mu.Unlock()
		for _, id := range []string{"", strings.Repeat("x", maxShareAskID+1), "no key", "long key"} {
			if r, ok := c.coord.replies[id]; ok {
				t.Errorf("request %q is answered: %+v", id, r)
			}
		}
	})
}
