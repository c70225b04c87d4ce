package node

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/meshmpc/mpcd/keystore"
)

// plainName is what may be the name of a file as it is; hashedName is what fileName
// makes of everything else.
var (
	plainName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)
	hashedName = regexp.MustCompile(`^_[0-9a-f]{32}$`)
)

// fileName turns a name that somebody else has chosen, a key's, a session's or a
// peer's, into part of a path. Ids of the coordinator's and peer ids stay as they
// are. What is inside of the file says the name in full.
func fileName(name string) string {
	if plainName.MatchString(name) || hashedName.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "_" + hex.EncodeToString(sum[:16])
}

// writeFile replaces a file durably and makes its folder.
func writeFile(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return keystore.ReplaceFile(file, data)
}

// sweepUnfinished removes what a process that was killed was writing into a folder.
// The caller holds the lock that everybody takes who writes there. What cannot be
// removed only takes room, and is tried again.
func sweepUnfinished(dir string) {
	left, err := os.ReadDir(dir)
	if err != nil {
		return // there is none
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), keystore.Unfinished) {
			os.Remove(filepath.Join(dir, e.Name())) //nolint:errcheck // see above
		}
	}
}

// readFile reads a file of at most so many bytes.
func readFile(file string, most int64) (data []byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = &fs.PathError{Op: "read", Path: file, Err: syscall.EFBIG}
	}
	return data, err
}

// lockFolder keeps other processes, and other goroutines of this one, from changing
// a folder until unlock is called: for milliseconds. The lock is on the folder
// itself, so that there is no file of an operator's which a daemon could not open.
func lockFolder(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return func() { d.Close() }, nil //nolint:errcheck // closing gives the lock back
}
