package node

import (
	"errors"
	"testing"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

func emptyStore(t *testing.T, party protocol.PeerID) *keystore.Store {
	t.Helper()
	store, err := keystore.Open(keystore.Config{Dir: t.TempDir(), Master: masterKey(t), Party: party})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// A share leaves one store and enters another, once.
func TestSharesAreCarried(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 2, nil)
	device := c.device(agreeing().consent)
	c.coord.run(c.coManaged(protocol.EdDSA, 2))
	records, err := Shares(t.Context(), device.store)
	if err != nil || len(records) != 1 {
		t.Fatalf("%d shares: %v", len(records), err)
	}
	data, err := protocol.Marshal(records[0])
	if err != nil {
		t.Fatal(err)
	}
	record, err := CheckShare(data, device.ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []protocol.PeerID{c.parties[0].ID(), ""} {
		if _, err := CheckShare(data, other); !errors.Is(err, protocol.ErrUserShare) {
			t.Errorf("the share of %q: %v", other, err)
		}
	}
	store := emptyStore(t, device.ID())
	if err := RestoreShare(t.Context(), store, record); err != nil {
		t.Fatal(err)
	}
	if err := RestoreShare(t.Context(), store, record); !errors.Is(err, ErrShareHere) {
		t.Errorf("twice: %v", err)
	}
	if back, err := Shares(t.Context(), store); err != nil || len(back) != 1 || string(back[0].Share) != string(record.Share) {
		t.Errorf("%d shares came back: %v", len(back), err)
	}
	renewedOrErased(t, record, device.ID())
}

// renewedOrErased wants older shares to be refused where newer ones are, or were.
func renewedOrErased(t *testing.T, record *protocol.KeyRecord, party protocol.PeerID) {
	t.Helper()
	newer := *record
	newer.Spec.Epoch = 1
	store := emptyStore(t, party)
	if err := newKeyring(store).save(t.Context(), &protocol.Save{Active: true, Key: newer}); err != nil {
		t.Fatal(err)
	}
	if err := RestoreShare(t.Context(), store, record); !errors.Is(err, ErrShareNewer) {
		t.Errorf("over a newer epoch: %v", err)
	}
	store = emptyStore(t, party)
	if err := RestoreShare(t.Context(), store, record); err != nil {
		t.Fatal(err)
	}
	if err := store.EraseEpoch(t.Context(), record.Spec.Key, record.Spec.Epoch); err != nil {
		t.Fatal(err)
	}
	if err := RestoreShare(t.Context(), store, record); !errors.Is(err, ErrShareNewer) {
		t.Errorf("over an erased epoch: %v", err)
	}
}

// A damaged share is named, and those beside it are returned.
func TestDamagedSharesAreNamed(t *testing.T) {
	c := newCluster(t, p2ptest.Config{Transport: p2ptest.QUIC}, 2, nil)
	for range 2 {
		c.coord.run(c.coord.keygen(protocol.EdDSA, 2, c.peers()))
	}
	store := c.parties[0].store
	records, err := Shares(t.Context(), store)
	if err != nil || len(records) != 2 {
		t.Fatalf("%d shares: %v", len(records), err)
	}
	spoilt := records[0]
	spoilt.PublicKey = records[1].PublicKey
	payload, err := protocol.Marshal(spoilt)
	if err != nil {
		t.Fatal(err)
	}
	header := shareHeader(kindShare, &spoilt.Spec, keystore.StateActive)
	if err := store.Put(t.Context(), keystore.Record{Header: header, Payload: payload}); err != nil {
		t.Fatal(err)
	}
	if rest, err := Shares(t.Context(), store); err == nil || len(rest) != 1 || rest[0].Spec.Key != records[1].Spec.Key {
		t.Errorf("%d shares beside a damaged one: %v", len(rest), err)
	}
}

// Prepare makes what is missing, and nothing when nothing is.
func TestPrepare(t *testing.T) {
	store := emptyStore(t, "alice")
	stock := newPool(store, new(idle), newCores(1), 0)
	if err := stock.put(t.Context(), protocoltest.PreParams(t, 1)[0]); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 2, 2} {
		if err := Prepare(t.Context(), store, want); err != nil {
			t.Fatal(err)
		}
		if got := stock.stock(t.Context()); got != want {
			t.Errorf("%d sets, want %d", got, want)
		}
	}
}
