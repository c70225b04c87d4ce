package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// FilePins returns Pins that a JSON file remembers, beyond this process. The file
// and its folder are made when the first account is. A file that cannot be read
// is an error of Pin, never an empty one. Two processes that see a new account
// first at the same moment both remember it; one of two different new accounts
// may then have to be seen again.
func FilePins(file string) Pins { return &filePins{file: file} }

type filePins struct {
	mu   sync.Mutex
	file string
}

func (f *filePins) Pin(k *Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, err := f.read()
	if err != nil {
		return fmt.Errorf("keys of known accounts: %w", err)
	}
	if p, ok := known[k.Account]; ok {
		return p.check(k)
	}
	known[k.Account] = pinOf(k)
	if err := f.write(known); err != nil {
		return fmt.Errorf("keys of known accounts: %w", err)
	}
	return nil
}

func (f *filePins) read() (map[string]pin, error) {
	known := make(map[string]pin)
	data, err := os.ReadFile(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	return known, nil
}

// write replaces the file, so that no reader sees a part of it.
func (f *filePins) write(known map[string]pin) error {
	data, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(f.file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(f.file)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when the rename worked
	_, err = tmp.Write(append(data, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), f.file)
}
