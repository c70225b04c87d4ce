package hooks

import (
	"fmt"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// sweep drops what is finished of a webhook's deliveries and older than before;
// with all set, everything of it. Its transactions are small.
func (s store) sweep(webhook string, before time.Time, all bool) error {
	for {
		n := 0
		err := s.db.Update(func(txn *badger.Txn) error {
			seqs, err := old(txn, webhook, before, all)
			n = len(seqs)
			for _, seq := range seqs {
				for _, prefix := range []string{logPrefix, duePrefix} {
					if err := txn.Delete(key(prefix, webhook, seq)); err != nil {
						return err
					}
				}
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("webhooks: drop deliveries of %s: %w", webhook, err)
		}
		if n < maxBatch {
			return nil
		}
	}
}

// old returns at most maxBatch deliveries that are to go, oldest first.
func old(txn *badger.Txn, webhook string, before time.Time, all bool) (seqs []uint64, err error) {
	prefix := logPrefix + webhook + "/"
	return seqs, walk(txn, prefix, []byte(prefix), false, func(item *badger.Item) (bool, error) {
		seq := seqOf(item.Key())
		if !all {
			d, err := decode(txn, webhook, seq)
			if err != nil || !d.Created.Before(before) {
				return false, err
			}
			if d.Status == Pending {
				return true, nil
			}
		}
		seqs = append(seqs, seq)
		return len(seqs) < maxBatch, nil
	})
}

// webhooks returns the ids of webhooks that have deliveries.
func (s store) webhooks() (ids []string, err error) {
	err = s.db.View(func(txn *badger.Txn) error {
		for from := []byte(logPrefix); ; {
			id := ""
			if err := walk(txn, logPrefix, from, false, func(item *badger.Item) (bool, error) {
				rest := strings.TrimPrefix(string(item.Key()), logPrefix)
				id, _, _ = strings.Cut(rest, "/")
				return false, nil
			}); err != nil || id == "" {
				return err
			}
			ids = append(ids, id)
			from = []byte(logPrefix + id + "0") // behind its last key: 0 follows /
		}
	})
	if err != nil {
		return nil, fmt.Errorf("webhooks: list deliveries: %w", err)
	}
	return ids, nil
}
