package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// fileVersion is the version of the file's format; see the package comment.
const fileVersion = 1

// maxFile bounds what is read: some ten thousand keys.
const maxFile = 4 << 20

var (
	// ErrFile reports a file of keys that cannot be used.
	ErrFile = errors.New("unusable file of API keys")
	// ErrNoKey reports a key that is not in the file.
	ErrNoKey = errors.New("no such API key")
)

// File is a file of API keys, named by its path. It need not exist: then it
// holds no keys.
type File string

type fileBody struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// List returns the keys in the order of their making, revoked ones included.
func (f File) List() ([]Key, error) {
	keys, _, err := f.read()
	return keys, err
}

// Create adds a key. The secret is in no file: whoever loses it makes another
// key.
func (f File) Create(req NewKey) (Key, string, error) {
	var made Key
	var secret string
	err := f.change(func(keys []Key) ([]Key, error) {
		for { // an id of 40 bits may be taken
			var err error
			if made, secret, err = newKey(req, time.Now()); err != nil {
				return nil, err
			}
			if indexOf(keys, made.ID) < 0 {
				return append(keys, made), nil
			}
		}
	})
	return made, secret, err
}

// Revoke makes a key useless for good. To revoke it again changes nothing.
func (f File) Revoke(id string) (Key, error) {
	var revoked Key
	err := f.change(func(keys []Key) ([]Key, error) {
		i := indexOf(keys, id)
		if i < 0 {
			return nil, fmt.Errorf("%w: %s has none with the id %q", ErrNoKey, string(f), id)
		}
		if keys[i].Revoked.IsZero() {
			keys[i].Revoked = time.Now().UTC().Truncate(time.Second)
		}
		revoked = keys[i]
		return keys, nil
	})
	return revoked, err
}

func indexOf(keys []Key, id string) int {
	return slices.IndexFunc(keys, func(k Key) bool { return k.ID == id })
}

// read returns the keys and what tells this content from a later one.
func (f File) read() ([]Key, fs.FileInfo, error) {
	file, err := os.Open(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, info, fmt.Errorf("%w: others may write to %s: chmod 600 it", ErrFile, string(f))
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, info, fmt.Errorf("%w: %w", ErrFile, err)
	}
	keys, err := decode(data)
	if err != nil {
		return nil, info, fmt.Errorf("%w: %s: %w; restore it from a copy, or remove it and make new keys", ErrFile, string(f), err)
	}
	return keys, info, nil
}

func decode(data []byte) ([]Key, error) {
	var body fileBody
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields() // a misspelt "revoked" must not be a key that works
	if err := dec.Decode(&body); err != nil {
		return nil, err
	}
	if body.Version != fileVersion {
		return nil, fmt.Errorf("its version is %d and this program reads %d", body.Version, fileVersion)
	}
	ids, hashes := make(map[string]bool), make(map[Hash]bool)
	for i := range body.Keys {
		k := &body.Keys[i]
		var err error
		if k.Scopes, err = CheckScopes(k.Scopes); err != nil {
			return nil, fmt.Errorf("key %s: %w", k.ID, err)
		}
		if k.ID == "" || ids[k.ID] || hashes[k.Hash] {
			return nil, fmt.Errorf("key %d has no id, or one that is taken, or the secret of another key", i+1)
		}
		ids[k.ID], hashes[k.Hash] = true, true
	}
	return body.Keys, nil
}
