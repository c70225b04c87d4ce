package node

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// stale writes a pending share of an older key with the given id, whose other
// members nobody will ever hear of.
func stale(t *testing.T, store *keystore.Store, of *protocol.Spec, id string, age time.Duration) {
	t.Helper()
	spec := *of
	spec.Session, spec.Key, spec.Account = id, id, id
	spec.Expires -= int64(age / time.Second)
	spec.Roster = slices.Clone(of.Roster)
	for i := range spec.Roster[1:] {
		key := make([]byte, 32)
		copy(key, id)
		key[31] = byte(i)
		spec.Roster[i+1].Peer = protocol.PeerIDOf(key)
	}
	payload, err := protocol.Marshal(protocol.KeyRecord{Version: protocol.KeyRecordVersion, Spec: spec, PublicKey: []byte(id)})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(t.Context(), keystore.Record{Header: shareHeader(kindShare, &spec, keystore.StatePending), Payload: payload}); err != nil {
		t.Fatal(err)
	}
}

// A new key is completed at once, however many old ones never will be.
func TestStaleKeysDoNotHoldUpNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
		p := c.parties[0]
		key, _ := c.key(protocol.EdDSA, 2)
		p.interrupt(t, key)
		for i := range 80 { // their ids come first
			stale(t, p.store, key, fmt.Sprintf("0000-%03d", i), time.Duration(i+1)*time.Hour)
		}
		p.restart()
		c.net.Mesh(c.hosts()...)
		start := time.Now()
		c.awaitActive(t, key, 0)
		if took := time.Since(start); took > 2*sendLimit {
			t.Errorf("it took %v", took)
		}
	})
}

// The newest keys have a turn in every round, and all others in one of a few.
func TestEveryPendingKeyHasItsTurn(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 2, nil)
	spec := c.coord.keygen(protocol.EdDSA, 2, c.peers())
	store := emptyStore(t, c.peers(0)[0])
	const old = 2*resolveOthers + 5
	for i := range resolveNewest + old {
		stale(t, store, spec, fmt.Sprintf("key-%03d", (i*37)%(resolveNewest+old)), time.Duration(i)*time.Hour)
	}
	var a agenda
	turns := make(map[string]int)
	for range 3 {
		turn, all, err := a.round(t.Context(), store)
		if err != nil || len(turn) != resolveNewest+resolveOthers || len(all) != resolveNewest+old {
			t.Fatalf("%d of %d keys: %v", len(turn), len(all), err)
		}
		for i, k := range turn {
			turns[k.key]++
			if i < resolveNewest && k.until != spec.Expires-int64(i)*3600 {
				t.Errorf("key %d of the round is of %v", i, time.Unix(k.until, 0))
			}
		}
	}
	if len(turns) != resolveNewest+old {
		t.Errorf("%d of %d keys had a turn", len(turns), resolveNewest+old)
	}
	if err := store.Delete(t.Context(), kindShare, shareID("key-000", 0)); err != nil {
		t.Fatal(err)
	}
	if _, all, err := a.round(t.Context(), store); err != nil || all[shareID("key-000", 0)] || len(a.until) != resolveNewest+old-1 {
		t.Errorf("a key that is gone is remembered: %d keys, %v", len(a.until), err)
	}
}
