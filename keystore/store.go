package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
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
	if err := s.finishErasures(); err != nil {
		keys.wipe()
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
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
