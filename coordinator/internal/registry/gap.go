package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// A gap is a run of sequence numbers whose events were pruned. Both its ends
// have a key, whose value is the other end, so that neighbours are found, and
// gaps that meet become one, without a search. A gap that is not on record means
// lost events.

var gapPrefix = []byte("gap/")

func gapKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64(gapPrefix[:len(gapPrefix):len(gapPrefix)], seq)
}

// gapEnd returns the other end of the gap that begins or ends at seq.
func gapEnd(txn *badger.Txn, seq uint64) (other uint64, ok bool, err error) {
	item, err := txn.Get(gapKey(seq))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	err = item.Value(func(b []byte) error {
		if len(b) != 8 {
			return fmt.Errorf("%w: a gap at %d of %d bytes", ErrFormat, seq, len(b))
		}
		other = binary.BigEndian.Uint64(b)
		return nil
	})
	return other, err == nil, err
}

// addGaps puts pruned sequence numbers on record.
func addGaps(txn *badger.Txn, pruned []uint64) error {
	slices.Sort(pruned)
	pruned = slices.Compact(pruned)
	for i := 0; i < len(pruned); {
		first, last := pruned[i], pruned[i]
		for i++; i < len(pruned) && pruned[i] == last+1; i++ {
			last++
		}
		if err := addGap(txn, first, last); err != nil {
			return err
		}
	}
	return nil
}

// addGap records the gap from first to last, and joins it with its neighbours.
func addGap(txn *badger.Txn, first, last uint64) error {
	if before, ok, err := gapEnd(txn, first-1); err != nil {
		return err
	} else if ok {
		if err := txn.Delete(gapKey(first - 1)); err != nil {
			return err
		}
		first = before
	}
	if after, ok, err := gapEnd(txn, last+1); err != nil {
		return err
	} else if ok {
		if err := txn.Delete(gapKey(last + 1)); err != nil {
			return err
		}
		last = after
	}
	if err := txn.Set(gapKey(first), binary.BigEndian.AppendUint64(nil, last)); err != nil {
		return err
	}
	return txn.Set(gapKey(last), binary.BigEndian.AppendUint64(nil, first))
}

// skipGap returns the last number of the gap that begins at seq, or seq-1 if
// none does.
func skipGap(txn *badger.Txn, seq uint64) (uint64, error) {
	last, ok, err := gapEnd(txn, seq)
	if err != nil || !ok {
		return seq - 1, err
	}
	if last < seq {
		return 0, fmt.Errorf("%w: the gap that ends at %d overlaps the event before it; restore the folder from a copy", ErrFormat, seq)
	}
	return last, nil
}
