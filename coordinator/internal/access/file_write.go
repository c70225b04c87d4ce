package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const fileMode fs.FileMode = 0o600

// change replaces the keys by what edit makes of them, while no other process
// does so.
func (f File) change(edit func([]Key) ([]Key, error)) (err error) {
	lock, err := f.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // closing it gives the lock back
	keys, _, err := f.read()
	if err != nil {
		return err
	}
	if keys, err = edit(keys); err != nil {
		return err
	}
	data, err := json.MarshalIndent(fileBody{Version: fileVersion, Keys: keys}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode API keys: %w", err)
	}
	if err := f.replace(append(data, '\n')); err != nil {
		return fmt.Errorf("write API keys: %w", err)
	}
	return nil
}

// lock waits for whoever else changes the file: for milliseconds. The lock's file
// stays, because removing it would race with a process that has just opened it.
func (f File) lock() (*os.File, error) {
	lock, err := os.OpenFile(string(f)+".lock", os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("lock API keys: %w", err)
	}
	err = f.giveToOwner(lock)
	for err == nil {
		if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err == nil {
			return lock, nil
		}
		if errors.Is(err, syscall.EINTR) {
			err = nil
		}
	}
	return nil, errors.Join(fmt.Errorf("lock API keys: %w", err), lock.Close())
}

// replace writes the file durably; a reader sees the old or the new content.
func (f File) replace(data []byte) error {
	dir := filepath.Dir(string(f))
	tmp, err := os.CreateTemp(dir, ".api-keys-*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, f.giveToOwner(tmp), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), string(f))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// giveToOwner gives a file that root makes to the owner of its folder. A daemon
// that could not read the file would not learn of a revocation.
func (f File) giveToOwner(file *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(string(f)))
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return file.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}
