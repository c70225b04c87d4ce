package keystore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// lockName differs from Badger's own LOCK, which Badger deletes on closing: removing a
// file that someone has flocked would let two processes hold "the" lock.
const lockName = "mpcd.lock"

// DirLock is the exclusive ownership of a data folder, held until Release or the end of
// the process.
type DirLock struct {
	mu  sync.Mutex
	f   *os.File
	dir string
}

// LockDir takes the exclusive lock of dir, which it creates (0700) if need be. It does
// not wait: ErrInUse names the folder and the process that has it.
func LockDir(dir string) (*DirLock, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := flock(f); err != nil {
		defer func() { _ = f.Close() }()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, inUse(dir, path)
		}
		return nil, fmt.Errorf("lock data folder %s: %w", dir, err)
	}
	l := &DirLock{f: f, dir: dir}
	if err := l.writePid(); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data folder %s: %w", dir, err), l.Release())
	}
	return l, nil
}

// Release gives the folder back. Further calls do nothing. The file stays: deleting it
// would race with a process that has just opened it.
func (l *DirLock) Release() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	// An empty file says that the owner left in order; the lock is gone in any case.
	err := errors.Join(l.f.Truncate(0), l.f.Close())
	l.f = nil
	return err
}

func (l *DirLock) holds(dir string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.f != nil && sameFile(l.dir, dir)
}

func (l *DirLock) writePid() error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err := l.f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

// flock takes the exclusive lock or fails at once with EWOULDBLOCK.
func flock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

func inUse(dir, pidFile string) error {
	owner := "another process"
	if b, err := os.ReadFile(pidFile); err == nil {
		if pid := strings.TrimSpace(string(b)); pid != "" {
			owner = "process " + pid
		}
	}
	return fmt.Errorf("%w: %s is held by %s; stop it or give this one a folder of its own", ErrInUse, dir, owner)
}
