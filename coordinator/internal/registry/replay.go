package registry

import (
	"encoding/json"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// replay folds the whole log. A gap that is not on record means that something
// was lost from disk, and then no state can be trusted.
func (r *Registry) replay(txn *badger.Txn) error {
	opt := badger.DefaultIteratorOptions
	opt.Prefix = logPrefix
	it := txn.NewIterator(opt)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		var e Event
		if err := it.Item().Value(func(b []byte) error { return json.Unmarshal(b, &e) }); err != nil {
			return fmt.Errorf("%w: event %x: %w", ErrFormat, it.Item().Key(), err)
		}
		if err := r.replayEvent(txn, &e); err != nil {
			return err
		}
	}
	var err error
	r.view.lastSeq, err = skipGap(txn, r.view.lastSeq+1) // what was pruned may have been the newest
	return err
}

func (r *Registry) replayEvent(txn *badger.Txn, e *Event) error {
	if v := r.view; e.Seq != v.lastSeq+1 {
		last, err := skipGap(txn, v.lastSeq+1)
		if err != nil {
			return err
		}
		if e.Seq != last+1 {
			return fmt.Errorf("%w: event %d follows event %d, and those between were not pruned; restore the folder from a copy", ErrFormat, e.Seq, v.lastSeq)
		}
	}
	r.view.apply(e)
	return nil
}
