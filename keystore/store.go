package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
	checkFile = "master.check"
	saltsName = "salts"
	dbName    = "db"

	defaultMinFree = 32 << 20
	defaultGCEvery = time.Hour
)

// Config says which store to open.
type Config struct {
	Dir    string    // data folder, made if need be
	Master MasterKey // seals every record
	Party  string    // peer id of this node, part of what is authenticated

	// Lock, when the caller has the folder already; Close then leaves it held. Without
	// one, Open takes the lock and Close releases it.
	Lock *DirLock
	// MinFree is the free disk space in bytes below which writes give ErrDiskFull; 0 means
	// 32 MiB. Badger writes through mapped files, where a full disk would kill the process.
	MinFree uint64
	// GCEvery is how often Run collects garbage; 0 means hourly.
	GCEvery time.Duration
}

// Validate returns ErrInvalid with the field at fault.
func (c *Config) Validate() error {
	switch {
	case c.Dir == "":
		return invalidf("keystore: no data folder was given")
	case c.Master.IsZero():
		return invalidf("keystore: no master key was given")
	case validID(c.Party) != nil:
		return invalidf("keystore: party %.40q must be the peer id of this node", c.Party)
	case c.GCEvery < 0:
		return invalidf("keystore: garbage collection every %v: must not be negative", c.GCEvery)
	case c.Lock != nil && !c.Lock.holds(c.Dir):
		return invalidf("keystore: the lock given is not held on %s", c.Dir)
	}
	return nil
}

// Store is an open keystore, safe for concurrent use. Make one with Open.
type Store struct {
	cfg  Config // without the master key, of which keys has a copy
	db   *badger.DB
	keys *keyring
	lock *DirLock // nil when the caller holds it

	// mu is held for reading by every operation, and for writing by what must be alone:
	// Close, and EraseEpoch, which no write to its scope may cross.
	mu     sync.RWMutex
	closed bool
	taking sync.Mutex // one Take at a time
}

// Open opens or creates the store in cfg.Dir. ErrWrongMasterKey and ErrWrongParty leave
// the folder byte for byte as it was; ErrInUse names who has it; ErrIncomplete says
// which file is missing or damaged. It finishes an erasure that a crash interrupted.
func Open(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.GCEvery == 0 {
		cfg.GCEvery = defaultGCEvery
	}
	if cfg.MinFree == 0 {
		cfg.MinFree = defaultMinFree
	}
	// First without a lock, whose file would be a change. The check is replaced by
	// rename only, so that reading it needs none.
	_, err := readCheck(filepath.Join(cfg.Dir, checkFile), cfg.Master, cfg.Party)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open keystore: %w", err)
	}
	var lock *DirLock
	if cfg.Lock == nil {
		if lock, err = LockDir(cfg.Dir); err != nil {
			return nil, fmt.Errorf("open keystore: %w", err)
		}
	}
	s, err := openLocked(cfg, lock)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open keystore: %w", err), lock.Release())
	}
	return s, nil
}

func openLocked(cfg Config, lock *DirLock) (*Store, error) {
	check, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	keys, err := newKeyring(cfg.Master, check, cfg.Party, filepath.Join(cfg.Dir, saltsName))
	if err != nil {
		return nil, err
	}
	cfg.Master = MasterKey{}
	s := &Store{cfg: cfg, keys: keys, lock: lock}
	if s.db, err = OpenDB(filepath.Join(cfg.Dir, dbName)); err != nil {
		keys.wipe()
		return nil, err
	}
	err = s.finishErasures()
	if err == nil {
		_, err = tighten(filepath.Join(cfg.Dir, dbName)) // Badger has used the umask: nothing to report
	}
	if err != nil {
		keys.wipe()
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// prepare verifies the folder, or makes a new one, and closes it to others.
func prepare(cfg Config) (masterCheck, error) {
	path := filepath.Join(cfg.Dir, checkFile)
	check, err := readCheck(path, cfg.Master, cfg.Party)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		check, err = create(cfg, path)
	case err == nil:
		err = complete(cfg.Dir)
	}
	if err != nil {
		return masterCheck{}, err
	}
	return check, tightenAll(cfg.Dir)
}

// create makes the folders and then the check, whose presence says that they are there.
func create(cfg Config, path string) (masterCheck, error) {
	for _, name := range []string{saltsName, dbName} {
		dir := filepath.Join(cfg.Dir, name)
		if used, err := hasEntries(dir); err != nil {
			return masterCheck{}, err
		} else if used {
			return masterCheck{}, fmt.Errorf("%w: %s is missing beside %s; restore it from a cold copy, or choose an empty folder", ErrIncomplete, path, dir)
		}
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return masterCheck{}, fmt.Errorf("make keystore: %w", err)
		}
	}
	if err := errors.Join(syncDir(cfg.Dir), syncDir(filepath.Dir(filepath.Clean(cfg.Dir)))); err != nil {
		return masterCheck{}, fmt.Errorf("make keystore: %w", err)
	}
	return writeCheck(path, cfg.Master, cfg.Party)
}

// complete finds parts that a partial copy has left out: Badger would begin an empty
// database without a word.
func complete(dir string) error {
	for _, name := range []string{saltsName, dbName} {
		if has, err := exists(filepath.Join(dir, name)); err != nil {
			return err
		} else if !has {
			return fmt.Errorf("%w: folder %s is missing; restore it from a cold copy", ErrIncomplete, filepath.Join(dir, name))
		}
	}
	manifest := filepath.Join(dir, dbName, badger.ManifestFilename)
	begun, err := exists(manifest)
	if err != nil || begun {
		return err
	}
	if used, err := hasEntries(filepath.Join(dir, saltsName)); err != nil {
		return err
	} else if used {
		return fmt.Errorf("%w: %s is missing; restore it from a cold copy", ErrIncomplete, manifest)
	}
	return nil
}

// tightenAll takes rights of others away from what is ours and says so once.
func tightenAll(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	n := 0
	if open, err := tightenOne(dir, fs.FileInfoToDirEntry(info)); err != nil {
		return err
	} else if open {
		n++
	}
	for _, name := range []string{checkFile, saltsName} {
		k, err := tighten(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		n += k
	}
	if n > 0 {
		logger.Warnf("%s was open to other users: %d entries tightened; consider its secrets read", dir, n)
	}
	return nil
}

// Close closes the store; it waits for running operations and overwrites the keys in
// memory, best effort. Further calls do nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.keys.wipe()
	if err := errors.Join(s.db.Close(), s.lock.Release()); err != nil {
		return fmt.Errorf("close keystore: %w", err)
	}
	return nil
}

// enter begins an operation; the caller calls leave exactly if it returns nil.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return ErrClosed
	}
	return nil
}

func (s *Store) leave() { s.mu.RUnlock() }
