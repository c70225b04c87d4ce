package keystore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// The name spaces of Badger keys. Kinds have no '/' and ids no NUL, so that no two
// records share a key.
const (
	recordSpace     = "r/"
	quarantineSpace = "q/"
	scopeSpace      = "k/"
)

func recordKey(k Kind, id string) []byte { return append(kindPrefix(k), id...) }

func kindPrefix(k Kind) []byte { return []byte(recordSpace + string(k) + "/") }

func scopeKey(id kekID) []byte { return append([]byte(scopeSpace), id[:]...) }

// quarantinePrefix begins the keys of all quarantined versions of a record.
func quarantinePrefix(k Kind, id string) []byte {
	return []byte(quarantineSpace + string(k) + "/" + id + "\x00")
}

func quarantineKey(k Kind, id string, at time.Time) []byte {
	return binary.BigEndian.AppendUint64(quarantinePrefix(k, id), uint64(at.UnixNano()))
}

// splitKey takes "<kind>/<id>" apart.
func splitKey(key []byte) (k Kind, id string, ok bool) {
	kind, rest, ok := bytes.Cut(key, []byte("/"))
	return Kind(kind), string(rest), ok
}

func validKey(k Kind, id string) error {
	if err := k.validate(); err != nil {
		return err
	}
	return validID(id)
}

func hasKey(txn *badger.Txn, key []byte) (bool, error) {
	_, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}

// walk calls fn with every item below prefix, in the order of the keys.
func walk(txn *badger.Txn, prefix []byte, fn func(*badger.Item) error) error {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues = false // a value is a record: read it when it is asked for
	opt.Prefix = prefix
	it := txn.NewIterator(opt)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := fn(it.Item()); err != nil {
			return err
		}
	}
	return nil
}
