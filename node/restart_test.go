package node

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

func TestKeysOutliveARestartOfEveryParty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		for _, p := range c.parties {
			p.restart()
		}
		c.net.Mesh(c.hosts()...)
		for i, signers := range [][]int{{0, 1}, {0, 2}, {1, 2}} {
			spec := c.coord.sign(key, digest(i), c.peers(signers...))
			checkSignatures(t, spec, cert, c.coord.run(spec))
		}
	})
}

func TestAnAlteredShareRecordIsNeverUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		other, _ := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		honest, foreign := p.share(t, key), p.share(t, other)
		var rec protocol.KeyRecord
		if err := protocol.Unmarshal(honest.Payload, &rec); err != nil {
			t.Fatal(err)
		}
		payload := func(change func(r *protocol.KeyRecord)) func(r *keystore.Record) {
			return func(r *keystore.Record) {
				changed := rec
				change(&changed)
				data, err := protocol.Marshal(changed)
				if err != nil {
					t.Fatal(err)
				}
				r.Payload = data
			}
		}
		for name, change := range map[string]func(r *keystore.Record){
			"another threshold":       func(r *keystore.Record) { r.Threshold = 3 },
			"another account":         func(r *keystore.Record) { r.Account = newID(t) },
			"other approvers":         func(r *keystore.Record) { r.Approvers[0]++ },
			"another committee":       func(r *keystore.Record) { r.Committee[0]++ },
			"another key's record":    func(r *keystore.Record) { r.Payload = foreign.Payload },
			"no record":               func(r *keystore.Record) { r.Payload = []byte("nothing") },
			"another key's share":     payload(func(r *protocol.KeyRecord) { r.Share = shareOf(t, foreign) }),
			"another public key":      payload(func(r *protocol.KeyRecord) { r.PublicKey = append([]byte{1}, r.PublicKey[1:]...) }),
			"the format of tomorrow":  payload(func(r *protocol.KeyRecord) { r.Version++ }),
			"approvers in the record": payload(func(r *protocol.KeyRecord) { r.Spec.Approvers = c.stranger().approvers() }),
		} {
			altered := honest
			change(&altered)
			p.put(t, altered)
			a := c.coord.answer(p.ID(), c.coord.sign(key, digest(1), c.peers(0, 1)))
			if a.Code != protocol.CodeStorage || !strings.Contains(a.Detail, "will not be used") {
				t.Errorf("%s: got %+v, want %q", name, a, protocol.CodeStorage)
			}
		}
		p.put(t, honest)
		spec := c.coord.sign(key, digest(2), c.peers(0, 1))
		checkSignatures(t, spec, cert, c.coord.run(spec))
	})
}

func TestAPendingShareDoesNotSign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, _ := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		r := p.share(t, key)
		r.State = keystore.StatePending
		p.put(t, r)
		if a := c.coord.answer(p.ID(), c.coord.sign(key, digest(1), c.peers())); a.Code != protocol.CodeUnknownKey {
			t.Errorf("got %+v, want %q", a, protocol.CodeUnknownKey)
		}
	})
}

// share reads a party's share record of a key.
func (p *party) share(t *testing.T, spec *protocol.Spec) keystore.Record {
	t.Helper()
	r, err := p.store.Get(t.Context(), kindShare, shareID(spec.Key, spec.Epoch))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// put replaces a record behind the node's back.
func (p *party) put(t *testing.T, r keystore.Record) {
	t.Helper()
	if err := p.store.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	p.node.keys.mu.Lock()
	clear(p.node.keys.cached) // as after a restart
	p.node.keys.mu.Unlock()
}

func shareOf(t *testing.T, r keystore.Record) []byte {
	t.Helper()
	var rec protocol.KeyRecord
	if err := protocol.Unmarshal(r.Payload, &rec); err != nil {
		t.Fatal(err)
	}
	return rec.Share
}
