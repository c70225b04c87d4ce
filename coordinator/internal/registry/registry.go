package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// format is the version of the layout in Badger; formatOld is the one before,
// which had no audit index and no gaps.
const (
	format    = "2"
	formatOld = "1"
)

var (
	formatKey = []byte("meta/format")
	logPrefix = []byte("log/")
)

// ErrFormat reports a database that is not a registry of this version.
var ErrFormat = errors.New("not a registry that this version can read")

// Registry is the log and its fold. It is safe for concurrent use and starts no
// goroutine: whoever appends first commits for all that wait.
type Registry struct {
	db  *badger.DB
	now func() time.Time

	queueMu sync.Mutex
	queue   []*Batch

	commitMu sync.Mutex // held while batches go to disk; also guards the fields of batches

	mu       sync.RWMutex // guards the two below
	view     *view
	watchers map[string]chan struct{}

	crowded chan struct{} // holds one token when there is something to prune at once
}

// Open replays the log in db; the caller closes db after the registry's last
// use. now is the clock of the events.
func Open(db *badger.DB, now func() time.Time) (*Registry, error) {
	r := &Registry{db: db, now: now, view: newView(), watchers: make(map[string]chan struct{}), crowded: make(chan struct{}, 1)}
	if err := r.checkFormat(); err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	if err := db.View(r.replay); err != nil {
		return nil, fmt.Errorf("replay registry: %w", err)
	}
	r.view.idem.expire(now())
	return r, nil
}

// checkFormat marks a new database, brings one of the version before up to date,
// and refuses all others.
func (r *Registry) checkFormat() error {
	found := ""
	err := r.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(formatKey)
		if err != nil {
			return err
		}
		return item.Value(func(b []byte) error {
			found = string(b)
			return nil
		})
	})
	switch {
	case err != nil && !errors.Is(err, badger.ErrKeyNotFound):
		return err
	case found == format:
		return nil
	case found == formatOld:
		if err := r.indexAudit(); err != nil {
			return err
		}
	case found != "":
		return fmt.Errorf("%w: its format is %q, this version reads %q; use the version that wrote it", ErrFormat, found, format)
	}
	return r.db.Update(func(txn *badger.Txn) error { return txn.Set(formatKey, []byte(format)) })
}

func logKey(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte("log/"), seq) }

func streamPrefix(stream string) []byte { return []byte("idx/" + stream + "/") }

func streamKey(stream string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(streamPrefix(stream), seq)
}
