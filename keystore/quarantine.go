package keystore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Quarantined tells of a stored value that was not authentic. Kind and ID say where
// it was stored; nothing in the value is trusted.
type Quarantined struct {
	Kind   Kind
	ID     string
	At     time.Time // when it was found
	Reason string
}

// Quarantined lists what is in quarantine, by kind, id and time.
func (s *Store) Quarantined(ctx context.Context) ([]Quarantined, error) {
	if err := s.enter(ctx); err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	defer s.leave()
	var out []Quarantined
	err := s.db.View(func(txn *badger.Txn) error {
		return walk(txn, []byte(quarantineSpace), func(item *badger.Item) error {
			q, err := readQuarantined(item)
			out = append(out, q)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list quarantine: %w", err)
	}
	return out, nil
}

func readQuarantined(item *badger.Item) (Quarantined, error) {
	key := item.Key()[len(quarantineSpace):]
	var q Quarantined
	if n := len(key) - 9; n >= 0 && key[n] == 0 {
		q.Kind, q.ID, _ = splitKey(key[:n])
		q.At = time.Unix(0, int64(binary.BigEndian.Uint64(key[n+1:])))
	}
	return q, item.Value(func(v []byte) error {
		q.Reason, _, _ = cutString(v)
		return nil
	})
}

// settle ends a read that failed: a value that is not authentic goes to quarantine.
func (s *Store) settle(kind Kind, id string, raw []byte, err error) error {
	if !errors.Is(err, errAuth) {
		return err
	}
	reason := err.Error()
	if err := s.quarantine(kind, id, raw, reason); err != nil {
		return errors.Join(damaged(kind, id, reason), fmt.Errorf("put it in quarantine: %w", err))
	}
	return damaged(kind, id, reason)
}

// quarantine moves the value raw away, unless it was replaced meanwhile.
func (s *Store) quarantine(kind Kind, id string, raw []byte, reason string) error {
	moved := false
	err := s.transact(context.Background(), func(txn *badger.Txn) error {
		moved = false
		item, err := txn.Get(recordKey(kind, id))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		now, err := item.ValueCopy(nil)
		if err != nil || !bytes.Equal(now, raw) {
			return err
		}
		value := append(appendString(nil, reason), raw...)
		if err := txn.Set(quarantineKey(kind, id, time.Now()), value); err != nil {
			return err
		}
		moved = true
		return txn.Delete(recordKey(kind, id))
	})
	if moved && err == nil {
		logger.Errorw("record failed authentication and was put in quarantine", "kind", kind, "id", id, "reason", reason)
	}
	return err
}

// absent is the error for a record that is not there: ErrDamaged while a version of it
// is in quarantine, so that nobody takes a damaged record for one never made.
func absent(txn *badger.Txn, kind Kind, id string) error {
	var last *Quarantined
	err := walk(txn, quarantinePrefix(kind, id), func(item *badger.Item) error {
		q, err := readQuarantined(item)
		last = &q
		return err
	})
	if err != nil {
		return err
	}
	if last == nil {
		return notFound(kind, id)
	}
	return damaged(kind, id, fmt.Sprintf("%s (found %s)", last.Reason, last.At.UTC().Format(time.RFC3339)))
}
