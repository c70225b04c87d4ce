package node

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

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
	store *keystore.Store

	mu     sync.Mutex
	cached map[string]*key
}

func newKeyring(s *keystore.Store) *keyring {
	return &keyring{store: s, cached: make(map[string]*key)}
}

func shareID(keyID string, epoch uint32) string {
	return keyID + "." + strconv.FormatUint(uint64(epoch), 10)
}

// state returns the state of a share of a kind, "" when there is none.
func (k *keyring) state(ctx context.Context, kind keystore.Kind, keyID string, epoch uint32) (keystore.State, error) {
	record, err := k.store.Get(ctx, kind, shareID(keyID, epoch))
	switch {
	case errors.Is(err, keystore.ErrNotFound), errors.Is(err, keystore.ErrErased):
		return "", nil
	case err != nil:
		return "", err
	}
	clear(record.Payload)
	return record.State, nil
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

// errHaveKey keeps an active share from being overwritten, by another attempt at
// the same key.
var errHaveKey = errors.New("this party already holds an active share of the key")

// save writes a key record, durably.
func (k *keyring) save(ctx context.Context, save *protocol.Save) error {
	switch state, err := k.state(ctx, kindShare, save.Key.Spec.Key, save.Key.Spec.Epoch); {
	case err != nil:
		return err
	case state == keystore.StateActive:
		return errHaveKey
	}
	payload, err := protocol.Marshal(save.Key)
	if err != nil {
		return err
	}
	defer clear(payload)
	return k.store.Put(ctx, keystore.Record{Header: shareHeader(kindShare, &save.Key.Spec, stateOf(save)), Payload: payload})
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

// count returns the number of active shares.
func (k *keyring) count(ctx context.Context) int {
	n, err := k.store.Count(ctx, kindShare, keystore.StateActive)
	if err != nil {
		return 0 // for heartbeats only
	}
	return n
}
