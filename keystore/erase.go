package keystore

import (
	"context"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// eraseBatch is how many records one transaction deletes, well below Badger's limit.
const eraseBatch = 256

// EraseEpoch destroys the salt of (key, epoch), so that nobody can read its records any
// more, old versions on disk included, and then deletes the records. The epoch accepts no
// new ones: ErrErased. It is durable when it returns; a crash in between is finished by
// the next Open. Erasing twice is no error; ErrNotFound when the epoch never had a record.
// Cold copies made before still have the salt: destroy them too.
func (s *Store) EraseEpoch(ctx context.Context, key string, epoch uint32) error {
	if key == "" || !printable(key) {
		return fmt.Errorf("erase epoch: %w", invalidf("key %.40q: must be a key id", key))
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("erase epoch: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("erase epoch: %w", ErrClosed)
	}
	err := s.erase(ctx, newKEKID(s.keys.gen, key, epoch))
	if errors.Is(err, errNoSalt) {
		err = fmt.Errorf("%w: this epoch has no records here", ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("erase epoch %d of key %q: %w", epoch, key, err)
	}
	return nil
}

// Erased tells whether (key, epoch) was erased, or its erasure has begun. It changes
// nothing.
func (s *Store) Erased(ctx context.Context, key string, epoch uint32) (bool, error) {
	if key == "" || !printable(key) {
		return false, fmt.Errorf("erased: %w", invalidf("key %.40q: must be a key id", key))
	}
	if err := s.enter(ctx); err != nil {
		return false, fmt.Errorf("erased: %w", err)
	}
	defer s.leave()
	gone, err := s.keys.salts.gone(newKEKID(s.keys.gen, key, epoch))
	if err != nil {
		return false, fmt.Errorf("erased: %w", err)
	}
	return gone != "", nil
}

func (s *Store) erase(ctx context.Context, id kekID) error {
	done, err := s.keys.erase(id)
	if done || err != nil {
		return err
	}
	if err := s.deleteScope(ctx, id); err != nil {
		return err
	}
	return s.keys.salts.endErase(id)
}

// deleteScope deletes the records sealed under a KEK. They are unreadable already; this
// keeps them out of lists and counts.
func (s *Store) deleteScope(ctx context.Context, id kekID) error {
	var keys [][]byte
	err := s.headers(ctx, []byte(recordSpace), func(h *Header, kek kekID) {
		if kek == id {
			keys = append(keys, recordKey(h.Kind, h.ID))
		}
	})
	if err != nil {
		return err
	}
	for len(keys) > 0 {
		n := min(eraseBatch, len(keys))
		err := s.transact(ctx, func(txn *badger.Txn) error {
			for _, key := range keys[:n] {
				if err := txn.Delete(key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// finishErasures completes what a crash interrupted.
func (s *Store) finishErasures() error {
	ids, err := s.keys.salts.list(erasingExt)
	if err != nil {
		return fmt.Errorf("finish erasures: %w", err)
	}
	for _, id := range ids {
		if err := s.erase(context.Background(), id); err != nil {
			return fmt.Errorf("finish erasure of %x: %w", id, err)
		}
	}
	return nil
}
