package keystore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// Put creates or replaces a record, sealed with a fresh key, and returns when it is on
// disk. ErrErased when its epoch was erased, ErrInvalid when it cannot be stored.
func (s *Store) Put(ctx context.Context, r Record) error { return s.PutAll(ctx, r) }

// PutAll is Put for records that belong together: whatever crashes, all of them are
// on disk or none is.
func (s *Store) PutAll(ctx context.Context, records ...Record) error {
	for i := range records {
		if err := records[i].validate(); err != nil {
			return fmt.Errorf("put: %w", err)
		}
	}
	if err := s.enterWrite(ctx); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	defer s.leave()
	err := s.transact(ctx, func(txn *badger.Txn) error {
		for i := range records {
			if err := s.set(txn, &records[i]); err != nil {
				return fmt.Errorf("%s %q: %w", records[i].Kind, records[i].ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	return nil
}

// Get returns an authenticated record. ErrNotFound; ErrDamaged when it is, or was
// before, found not to be authentic; ErrSalt and ErrErased when its key is gone.
func (s *Store) Get(ctx context.Context, kind Kind, id string) (Record, error) {
	if err := validKey(kind, id); err != nil {
		return Record{}, fmt.Errorf("get: %w", err)
	}
	if err := s.enter(ctx); err != nil {
		return Record{}, fmt.Errorf("get: %w", err)
	}
	defer s.leave()
	var r Record
	var raw []byte
	err := s.db.View(func(txn *badger.Txn) (err error) {
		r, raw, err = s.get(txn, kind, id)
		return err
	})
	if err != nil {
		return Record{}, fmt.Errorf("get: %w", s.settle(kind, id, raw, err))
	}
	return r, nil
}

// Update changes a record in one transaction: it calls fn with the record as stored,
// seals what fn made of it and returns when that is on disk. Another write in between
// makes it begin again, so fn may run more than once; it must not use the store, nor
// change kind or id. An error of fn changes nothing and is returned, wrapped.
func (s *Store) Update(ctx context.Context, kind Kind, id string, fn func(*Record) error) error {
	if err := validKey(kind, id); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if err := s.enterWrite(ctx); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	defer s.leave()
	if _, err := s.modify(ctx, kind, id, fn); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	return nil
}

// modify is Update within an operation; it returns the record as it was written.
func (s *Store) modify(ctx context.Context, kind Kind, id string, fn func(*Record) error) (Record, error) {
	var r Record
	var raw []byte
	err := s.transact(ctx, func(txn *badger.Txn) (err error) {
		if r, raw, err = s.get(txn, kind, id); err != nil {
			return err
		}
		if err := fn(&r); err != nil {
			return fmt.Errorf("%s %q: %w", kind, id, err)
		}
		if r.Kind != kind || r.ID != id {
			return invalidf("%s %q: kind and id cannot be changed", kind, id)
		}
		if err := r.validate(); err != nil {
			return err
		}
		return s.set(txn, &r)
	})
	if err != nil {
		return Record{}, s.settle(kind, id, raw, err)
	}
	return r, nil
}

// Delete removes a record; one that is not there is no error. Its old ciphertext stays
// on disk until Badger compacts, and what is in quarantine stays there.
func (s *Store) Delete(ctx context.Context, kind Kind, id string) error {
	if err := validKey(kind, id); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	defer s.leave()
	err := s.transact(ctx, func(txn *badger.Txn) error { return txn.Delete(recordKey(kind, id)) })
	if err != nil {
		return fmt.Errorf("delete %s %q: %w", kind, id, err)
	}
	return nil
}

// DeleteAll is Delete for many records of a kind; whatever crashes, some may be left.
func (s *Store) DeleteAll(ctx context.Context, kind Kind, ids ...string) error {
	for _, id := range ids {
		if err := validKey(kind, id); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
	}
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	defer s.leave()
	for batch := range slices.Chunk(ids, deleteAtOnce) {
		err := s.transact(ctx, func(txn *badger.Txn) error {
			for _, id := range batch {
				if err := txn.Delete(recordKey(kind, id)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("delete %d of %s: %w", len(ids), kind, err)
		}
	}
	return nil
}

// deleteAtOnce is what one transaction deletes: a fraction of what fits into one.
const deleteAtOnce = 1024

// transact runs fn in a transaction, again and again while others get in between. The
// write is on disk when it returns nil.
func (s *Store) transact(ctx context.Context, fn func(*badger.Txn) error) error {
	for {
		err := s.db.Update(fn)
		if !errors.Is(err, badger.ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// set seals r and writes it, with the mark that its scope has a salt.
func (s *Store) set(txn *badger.Txn, r *Record) error {
	id := scopeOf(s.keys.gen, &r.Header)
	marked, err := hasKey(txn, scopeKey(id))
	if err != nil {
		return err
	}
	kek, err := s.keys.kek(id, !marked)
	if err != nil {
		return missingSalt(err)
	}
	defer clear(kek[:])
	if !marked {
		if err := txn.Set(scopeKey(id), nil); err != nil {
			return err
		}
	}
	raw, err := seal(r, s.cfg.Party, id, &kek)
	if err != nil {
		return err
	}
	return txn.Set(recordKey(r.Kind, r.ID), raw)
}

// get reads and authenticates one record; raw is its value as stored, also with errAuth.
func (s *Store) get(txn *badger.Txn, kind Kind, id string) (r Record, raw []byte, err error) {
	item, err := txn.Get(recordKey(kind, id))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return Record{}, nil, absent(txn, kind, id)
	}
	if err != nil {
		return Record{}, nil, err
	}
	if raw, err = item.ValueCopy(nil); err != nil {
		return Record{}, nil, err
	}
	r, err = s.authenticate(txn, kind, id, raw)
	return r, raw, err
}

// authenticate opens a stored value as the record (kind, id); errAuth when it is not.
func (s *Store) authenticate(txn *badger.Txn, kind Kind, id string, raw []byte) (Record, error) {
	sealed, err := decodeRecord(raw)
	if err != nil {
		return Record{}, err
	}
	h := &sealed.header
	if h.Kind != kind || h.ID != id {
		return Record{}, fmt.Errorf("%w: it is %s %q", errAuth, h.Kind, h.ID)
	}
	if sealed.party != s.cfg.Party || sealed.kek != scopeOf(s.keys.gen, h) {
		return Record{}, fmt.Errorf("%w: it is of another party or key", errAuth)
	}
	kek, err := s.keys.kek(sealed.kek, false)
	if errors.Is(err, errNoSalt) {
		marked, markErr := hasKey(txn, scopeKey(sealed.kek))
		if markErr != nil {
			return Record{}, markErr
		}
		if !marked {
			return Record{}, fmt.Errorf("%w: its key never was", errAuth)
		}
	}
	if err != nil {
		return Record{}, missingSalt(err)
	}
	defer clear(kek[:])
	return sealed.open(&kek)
}

func missingSalt(err error) error {
	if errors.Is(err, errNoSalt) {
		return fmt.Errorf("%w: %w; restore it from a cold copy", ErrSalt, err)
	}
	return err
}
