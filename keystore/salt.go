package keystore

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	saltMagic   = "MPCDSALT"
	saltVersion = 1
	saltBody    = 8 + 2 + len(kekID{}) + keySize
	saltMACInfo = "mpcd/keystore/salt-mac/v1"

	saltExt    = ".salt"
	erasingExt = ".erasing"
	erasedExt  = ".erased"
)

// errNoSalt: the scope has neither a salt nor a mark of erasure.
var errNoSalt = errors.New("no salt file")

// saltDir is the folder of salt files; macKey authenticates them.
type saltDir struct {
	dir    string
	macKey []byte
}

func (d *saltDir) path(id kekID, ext string) string {
	return filepath.Join(d.dir, hex.EncodeToString(id[:])+ext)
}

// load returns the 32 bytes of a scope's salt; ErrErased, ErrSalt or errNoSalt else.
func (d *saltDir) load(id kekID) ([]byte, error) {
	if gone, err := d.gone(id); err != nil {
		return nil, err
	} else if gone != "" {
		return nil, fmt.Errorf("%w: %s", ErrErased, gone)
	}
	path := d.path(id, saltExt)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", errNoSalt, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read salt: %w", err)
	}
	salt, err := d.parse(id, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w; restore it from a cold copy", ErrSalt, path, err)
	}
	return salt, nil
}

// gone returns the file that says that a scope was or is being erased, "" if none.
func (d *saltDir) gone(id kekID) (string, error) {
	for _, ext := range []string{erasingExt, erasedExt} {
		path := d.path(id, ext)
		if gone, err := exists(path); err != nil {
			return "", fmt.Errorf("read salt: %w", err)
		} else if gone {
			return path, nil
		}
	}
	return "", nil
}

func (d *saltDir) parse(id kekID, data []byte) ([]byte, error) {
	body, tag, err := splitGuarded(data)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(tag, mac(body, d.macKey)) {
		return nil, errMAC
	}
	head := d.head(id)
	if len(body) != saltBody || string(body[:len(head)]) != string(head) {
		return nil, errors.New("it belongs to another scope or format")
	}
	return body[len(head):], nil
}

// create makes the salt of a scope that never had one, durably.
func (d *saltDir) create(id kekID) ([]byte, error) {
	salt := make([]byte, keySize)
	_, _ = rand.Read(salt) // never fails
	if err := ReplaceFile(d.path(id, saltExt), guarded(append(d.head(id), salt...), d.macKey)); err != nil {
		return nil, fmt.Errorf("write salt: %w", err)
	}
	return salt, nil
}

func (d *saltDir) head(id kekID) []byte {
	b := binary.BigEndian.AppendUint16([]byte(saltMagic), saltVersion)
	return append(b, id[:]...)
}

// beginErase marks the scope and destroys its salt: from here on there is no way back.
// done reports that it was erased completely before.
func (d *saltDir) beginErase(id kekID) (done bool, err error) {
	if done, err = exists(d.path(id, erasedExt)); done || err != nil {
		return done, err
	}
	begun, err := exists(d.path(id, erasingExt))
	if err != nil {
		return false, err
	}
	if !begun {
		if has, err := exists(d.path(id, saltExt)); err != nil {
			return false, err
		} else if !has {
			return false, errNoSalt
		}
		if err := ReplaceFile(d.path(id, erasingExt), nil); err != nil {
			return false, err
		}
	}
	return false, shred(d.path(id, saltExt))
}

// endErase marks the erasure as complete.
func (d *saltDir) endErase(id kekID) error {
	if err := os.Rename(d.path(id, erasingExt), d.path(id, erasedExt)); err != nil {
		return err
	}
	return SyncDir(d.dir)
}

// list returns the scopes that have a file with the extension.
func (d *saltDir) list(ext string) ([]kekID, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var ids []kekID
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ext)
		b, err := hex.DecodeString(name)
		if ok && err == nil && len(b) == len(kekID{}) {
			ids = append(ids, kekID(b))
		}
	}
	return ids, nil
}
