package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	logging "github.com/ipfs/go-log/v2"
)

var logger = logging.Logger("keystore")

// Sizes in bytes. They keep an idle database near 10 MB of memory.
const (
	memTableSize = 8 << 20
	vlogFileSize = 8 << 20 // it stays empty, and is twice this while open
	// valueThreshold is the size from which Badger puts a value in its value log. There
	// a failed sync is logged and not returned, so values stay below.
	valueThreshold = 1 << 20
)

// OpenDB opens or creates a Badger database in dir (0700) with the settings of this
// project: synchronous writes, small memory, no encryption of Badger's own (its is not
// authenticated). Values of 1 MiB and more are not durable on return: split them.
// ErrInUse when it is open already; ErrIncomplete when its files are damaged. The
// caller closes it.
func OpenDB(dir string) (*badger.DB, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make database folder: %w", err)
	}
	opt := dbOptions(dir)
	if err := alone(dir, func() error { return checkFiles(opt) }); err != nil {
		return nil, err
	}
	db, err := openBadger(opt)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", dir, err)
	}
	// Badger leaves the folder entries of the files it has just made to chance.
	if err := errors.Join(SyncDir(dir), SyncDir(filepath.Dir(dir))); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", dir, err), db.Close())
	}
	return db, nil
}

func dbOptions(dir string) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithLogger(badgerLog{}).
		WithMetricsEnabled(false).
		WithCompression(options.None). // ciphertext does not compress
		WithBlockCacheSize(0).         // blocks are read from the mapped file
		WithMemTableSize(memTableSize).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(vlogFileSize)
}

// openBadger turns what Badger makes of damaged files, a panic or the word of a wrong
// key, into ErrIncomplete.
func openBadger(opt badger.Options) (db *badger.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, rotten(opt.Dir, fmt.Errorf("%v", r))
		}
	}()
	db, err = badger.Open(opt)
	if errors.Is(err, badger.ErrEncryptionKeyMismatch) { // its encryption is off
		err = rotten(filepath.Join(opt.Dir, badger.KeyRegistryFileName), errors.New("it is altered"))
	}
	return db, err
}

// alone calls f under Badger's lock of the folder, and gives ErrInUse where Badger would
// give a text: Badger flocks the folder itself and writes its process id to LOCK.
func alone(dir string, f func() error) error {
	folder, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer func() { _ = folder.Close() }()
	if err := flock(folder); errors.Is(err, syscall.EWOULDBLOCK) {
		return inUse(dir, filepath.Join(dir, "LOCK"))
	} else if err != nil {
		return fmt.Errorf("lock database %s: %w", dir, err)
	}
	if err := f(); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return nil
}

// badgerLog sends Badger's messages to our log, its chatter one level lower.
type badgerLog struct{}

func (badgerLog) Errorf(f string, v ...any)   { logger.Errorf("badger: "+strings.TrimSpace(f), v...) }
func (badgerLog) Warningf(f string, v ...any) { logger.Warnf("badger: "+strings.TrimSpace(f), v...) }
func (badgerLog) Infof(f string, v ...any)    { logger.Debugf("badger: "+strings.TrimSpace(f), v...) }
func (badgerLog) Debugf(string, ...any)       {}
