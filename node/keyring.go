package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/tss"
)

// Kinds and states of this package's records.
const (
	kindShare     keystore.Kind = "share"
	kindUserShare keystore.Kind = "usershare"
	kindPreParams keystore.Kind = "preparams"
	kindRequest   keystore.Kind = "request"
	kindOutcome   keystore.Kind = "outcome"
	kindAbandon   keystore.Kind = "abandon"
	kindHorizon   keystore.Kind = "horizon"
)

// maxCachedKeys bounds the decoded shares in memory.
const maxCachedKeys = 256

// errNoKey reports that no active share of a key is here.
var errNoKey = errors.New("this party holds no active share of the key")

// key is a share ready for use.
type key struct {
	record protocol.KeyRecord
	share  *tss.Share
}

// keyring loads shares, checks them once and keeps them decoded.
type keyring struct {
	store  *keystore.Store
	saving sync.Mutex // held over looking at what is here and writing: a ceremony and resolve must not cross

	mu     sync.Mutex
	cached map[string]*key

	active  atomic.Int64 // shares, as counted
	counted atomic.Bool  // active is right: nothing was written since
}

func newKeyring(s *keystore.Store) *keyring {
	return &keyring{store: s, cached: make(map[string]*key)}
}

func shareID(keyID string, epoch uint32) string {
	return keyID + "." + strconv.FormatUint(uint64(epoch), 10)
}

// heldShare returns the record of a key that this party helped to make, of its own
// share or a user's. The error is errNoKey when there is none.
func heldShare(ctx context.Context, store *keystore.Store, keyID string, epoch uint32) (protocol.KeyRecord, keystore.State, error) {
	for _, kind := range []keystore.Kind{kindShare, kindUserShare} {
		r, err := store.Get(ctx, kind, shareID(keyID, epoch))
		switch {
		case errors.Is(err, keystore.ErrNotFound), errors.Is(err, keystore.ErrErased), errors.Is(err, keystore.ErrInvalid):
			continue
		case err != nil:
			return protocol.KeyRecord{}, "", err
		}
		defer clear(r.Payload)
		if kind == kindUserShare {
			var share userShare
			err := protocol.Unmarshal(r.Payload, &share)
			return share.Record, r.State, err
		}
		var record protocol.KeyRecord
		err = protocol.Unmarshal(r.Payload, &record)
		return record, r.State, err
	}
	return protocol.KeyRecord{}, "", errNoKey
}

// shareHeader describes a record with a share; all of it is authenticated with
// the share.
func shareHeader(kind keystore.Kind, s *protocol.Spec, state keystore.State) keystore.Header {
	return keystore.Header{
		Kind: kind, ID: shareID(s.Key, s.Epoch), Account: s.Account, Key: s.Key, Scheme: string(s.Scheme), Epoch: s.Epoch,
		Committee: protocol.CommitteeHash(s.Threshold, s.Roster), Threshold: s.Threshold, Parties: len(s.Roster),
		State: state, Approvers: s.Approvers.Hash(),
	}
}

// What keeps a share from being overwritten by another attempt at the same key.
var (
	errHaveKey = errors.New("this party already holds an active share of the key")
	// errEarlier: with the certificate that this party has signed, the others may
	// have completed the key already, and money may have been sent to it.
	errEarlier = errors.New("an earlier attempt at the key may still complete, and this party keeps its share of that one: make a new account instead")
)

// mayWrite tells whether a share may take the place of what is here of its key:
// nothing, or the pending share of the very same attempt.
func mayWrite(ctx context.Context, store *keystore.Store, spec *protocol.Spec) error {
	here, state, err := heldShare(ctx, store, spec.Key, spec.Epoch)
	switch {
	case errors.Is(err, errNoKey):
		return nil
	case err != nil:
		return err
	case state == keystore.StateActive:
		return errHaveKey
	case here.Spec.SID() != spec.SID():
		return errEarlier
	}
	return nil
}

// save writes a key record and what belongs to it, durably and together.
func (k *keyring) save(ctx context.Context, save *protocol.Save, also ...keystore.Record) error {
	k.saving.Lock()
	defer k.saving.Unlock()
	if err := mayWrite(ctx, k.store, &save.Key.Spec); err != nil {
		return err
	}
	payload, err := protocol.Marshal(save.Key)
	if err != nil {
		return err
	}
	defer clear(payload)
	share := keystore.Record{Header: shareHeader(kindShare, &save.Key.Spec, stateOf(save)), Payload: payload}
	defer k.counted.Store(false)
	return k.store.PutAll(ctx, append(also, share)...)
}

// discardable tells whether a share may be deleted: it is the pending one of this
// very attempt. The caller holds the lock of whoever writes it.
func discardable(ctx context.Context, store *keystore.Store, spec *protocol.Spec) (bool, error) {
	here, state, err := heldShare(ctx, store, spec.Key, spec.Epoch)
	if errors.Is(err, errNoKey) {
		return false, nil
	}
	return err == nil && state == keystore.StatePending && here.Spec.SID() == spec.SID(), err
}

// discard deletes the pending share of an attempt, if it is here.
func (k *keyring) discard(ctx context.Context, spec *protocol.Spec) error {
	k.saving.Lock()
	defer k.saving.Unlock()
	if may, err := discardable(ctx, k.store, spec); err != nil || !may {
		return err
	}
	defer k.counted.Store(false)
	return k.store.Delete(ctx, kindShare, shareID(spec.Key, spec.Epoch))
}

func stateOf(save *protocol.Save) keystore.State {
	if save.Active {
		return keystore.StateActive
	}
	return keystore.StatePending
}

// load returns the active share of a key and epoch. A record that fails the load
// check is never used.
func (k *keyring) load(ctx context.Context, keyID string, epoch uint32) (*key, error) {
	id := shareID(keyID, epoch)
	k.mu.Lock()
	cached := k.cached[id]
	k.mu.Unlock()
	if cached != nil {
		return cached, nil
	}
	record, err := k.store.Get(ctx, kindShare, id)
	switch {
	case errors.Is(err, keystore.ErrNotFound):
		return nil, errNoKey
	case err != nil:
		k.counted.Store(false) // a damaged one was put aside
		return nil, err
	case record.State != keystore.StateActive:
		return nil, errNoKey
	}
	defer clear(record.Payload)
	loaded, err := openShare(record)
	if err != nil {
		return nil, fmt.Errorf("share %s is damaged and will not be used: %w", id, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.cached) >= maxCachedKeys {
		clear(k.cached) // rare: reading again is cheap beside a ceremony
	}
	k.cached[id] = loaded
	return loaded, nil
}

// openShare decodes a record and checks that header, record and share are about
// the same key.
func openShare(r keystore.Record) (*key, error) {
	var rec protocol.KeyRecord
	if err := protocol.Unmarshal(r.Payload, &rec); err != nil {
		return nil, err
	}
	if rec.Version != protocol.KeyRecordVersion {
		return nil, fmt.Errorf("record version %d, this node reads %d", rec.Version, protocol.KeyRecordVersion)
	}
	if r.Header != shareHeader(kindShare, &rec.Spec, r.State) {
		return nil, errors.New("header and content are of different keys")
	}
	return openKey(rec)
}

// openKey decodes the share inside a record and checks that it is sound and the
// record's.
func openKey(rec protocol.KeyRecord) (*key, error) {
	share, err := tss.DecodeShare(rec.Share)
	if err != nil {
		return nil, err
	}
	if err := share.Check(); err != nil {
		return nil, err
	}
	if string(share.PublicKey()) != string(rec.PublicKey) || share.PublicHash() != rec.PublicHash {
		return nil, errors.New("the share belongs to another public key")
	}
	return &key{record: rec, share: share}, nil
}

// count returns the number of active shares. It reads the store only when something
// may have changed there.
func (k *keyring) count(ctx context.Context) int {
	if k.counted.Swap(true) { // first: what is written while it counts is counted next time
		return int(k.active.Load())
	}
	n, err := k.store.Count(ctx, kindShare, keystore.StateActive)
	if err != nil {
		k.counted.Store(false)
		return int(k.active.Load()) // for heartbeats only
	}
	k.active.Store(int64(n))
	return n
}
