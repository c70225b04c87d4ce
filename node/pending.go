package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/meshmpc/mpcd/keystore"
)

// Bounds of one round over the pending keys.
const (
	resolveNewest  = 32 // the newest keys, in every round: somebody may be waiting for them
	resolveOthers  = 32 // of all others, in turn
	resolveAtATime = 16
)

// pendingKey is a key of which this party has a pending share.
type pendingKey struct {
	key   string
	epoch uint32
	until int64 // deadline of its keygen, Unix seconds, which tells new keys from old ones
}

func (k pendingKey) id() string { return shareID(k.key, k.epoch) }

// agenda says which pending keys have their turn. Keys that will never be
// complete must not keep the others from theirs.
type agenda struct {
	mu    sync.Mutex
	until map[string]int64 // by pendingKey.id: each record is opened once for it
	next  int              // among the keys that are not the newest
}

// round returns the keys of one round, the newest first, and the ids of all.
func (a *agenda) round(ctx context.Context, store *keystore.Store) (turn []pendingKey, all map[string]bool, _ error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	keys, err := a.list(ctx, store)
	if err != nil {
		return nil, nil, fmt.Errorf("pending keys: %w", err)
	}
	slices.SortFunc(keys, func(x, y pendingKey) int {
		return cmp.Or(cmp.Compare(y.until, x.until), cmp.Compare(y.key, x.key), cmp.Compare(y.epoch, x.epoch))
	})
	all = make(map[string]bool, len(keys))
	until := make(map[string]int64, len(keys))
	for _, k := range keys {
		all[k.id()], until[k.id()] = true, k.until
	}
	a.until = until
	newest := min(resolveNewest, len(keys))
	turn, others := keys[:newest:newest], keys[newest:]
	for i := range min(resolveOthers, len(others)) {
		turn = append(turn, others[(a.next+i)%len(others)])
	}
	a.next += resolveOthers
	if len(others) > 0 {
		a.next %= len(others)
	}
	return turn, all, nil
}

// list returns all pending keys. The caller holds mu.
func (a *agenda) list(ctx context.Context, store *keystore.Store) ([]pendingKey, error) {
	var keys []pendingKey
	for _, kind := range []keystore.Kind{kindShare, kindUserShare} {
		headers, err := store.List(ctx, kind)
		if err != nil {
			return nil, err
		}
		for _, h := range headers {
			if h.State != keystore.StatePending {
				continue
			}
			k := pendingKey{key: h.Key, epoch: h.Epoch}
			until, known := a.until[k.id()]
			if !known {
				record, _, err := heldShare(ctx, store, h.Key, h.Epoch)
				if err != nil {
					log.Warnw("a pending share cannot be read; its key cannot be completed", "key", h.Key, "error", err)
					continue
				}
				until = record.Spec.Expires
			}
			k.until = until
			keys = append(keys, k)
		}
	}
	return keys, nil
}
