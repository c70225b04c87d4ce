package keystore

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// List returns the headers of all records of a kind, by id. They are read from the
// clear part of each record and are NOT authenticated: decide nothing by them that
// Get does not confirm. Values that are no records are left out and logged.
func (s *Store) List(ctx context.Context, kind Kind) ([]Header, error) {
	if err := kind.validate(); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	if err := s.enter(ctx); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	defer s.leave()
	var out []Header
	err := s.headers(ctx, kindPrefix(kind), func(h *Header, _ kekID) { out = append(out, *h) })
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	return out, nil
}

// Count returns how many records of a kind are in a state, by their headers, which are
// not authenticated (see List).
func (s *Store) Count(ctx context.Context, kind Kind, state State) (int, error) {
	if err := state.validate(); err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	if err := kind.validate(); err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	if err := s.enter(ctx); err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	defer s.leave()
	n := 0
	err := s.headers(ctx, kindPrefix(kind), func(h *Header, _ kekID) {
		if h.State == state {
			n++
		}
	})
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", kind, err)
	}
	return n, nil
}

// headers calls fn with the header of each record below prefix, which begins with
// recordSpace, that decodes and stands under its own name.
func (s *Store) headers(ctx context.Context, prefix []byte, fn func(*Header, kekID)) error {
	return s.db.View(func(txn *badger.Txn) error {
		return walk(txn, prefix, func(item *badger.Item) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			kind, id, _ := splitKey(item.Key()[len(recordSpace):])
			return item.Value(func(v []byte) error {
				r, err := decodeRecord(v)
				switch {
				case err != nil:
					logger.Warnw("left out of a listing: not a record", "kind", kind, "id", id, "reason", err)
				case r.header.Kind != kind || r.header.ID != id:
					logger.Warnw("left out of a listing: stored under another name", "kind", kind, "id", id)
				default:
					fn(&r.header, r.kek)
				}
				return nil
			})
		})
	})
}
