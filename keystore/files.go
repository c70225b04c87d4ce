package keystore

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// errTorn: a small file is shorter than it should be or its checksum is wrong.
// errMAC: it is whole, but was not made under this key.
var (
	errTorn = errors.New("torn or altered")
	errMAC  = errors.New("not made under this master key")
)

// Unfinished begins the names of files that ReplaceFile has not finished.
const Unfinished = ".new-"

// ReplaceFile replaces path, for this user alone, durably: a reader sees the old or
// the new content, also after a power cut.
func ReplaceFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, Unfinished+"*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(dir)
}

// SyncDir makes creations, renames and removals in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// shred overwrites and removes a file. Best effort: file systems with journals or
// snapshots and flash media may keep the old blocks.
func shred(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, st.Size()), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// tighten removes the rights of group and others from path and, for a folder, from all
// that is in it. It returns how many entries were too open.
func tighten(path string) (int, error) {
	n := 0
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		open, err := tightenOne(p, d)
		if open {
			n++
		}
		return err
	})
	return n, err
}

func tightenOne(path string, d fs.DirEntry) (tooOpen bool, err error) {
	info, err := d.Info()
	if err != nil || info.Mode()&fs.ModeSymlink != 0 || info.Mode().Perm()&0o077 == 0 {
		return false, err
	}
	if err := os.Chmod(path, info.Mode().Perm()&^0o077); err != nil {
		return true, fmt.Errorf("others can read %s and it cannot be changed: run chmod go= on it: %w", path, err)
	}
	return true, nil
}

// guarded appends checksum and MAC to the body of a small file.
func guarded(body, macKey []byte) []byte {
	sum := sha256.Sum256(body)
	out := append(body[:len(body):len(body)], sum[:]...)
	return append(out, mac(body, macKey)...)
}

// splitGuarded checks the checksum and returns the body and the MAC, still unchecked.
func splitGuarded(data []byte) (body, tag []byte, err error) {
	n := len(data) - 2*sha256.Size
	if n < 0 {
		return nil, nil, errTorn
	}
	body, tag = data[:n], data[n+sha256.Size:]
	if sum := sha256.Sum256(body); !hmac.Equal(sum[:], data[n:n+sha256.Size]) {
		return nil, nil, errTorn
	}
	return body, tag, nil
}

func mac(body, key []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(body)
	return h.Sum(nil)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// hasEntries reports whether dir exists and holds anything.
func hasEntries(dir string) (bool, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return len(list) > 0, err
}

func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}
