package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

// maxInput bounds a file that is read, in bytes.
const maxInput = 4 << 20

// readSecret reads a file that others must not be able to read.
func readSecret(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("every user of this machine can read %s: chmod o-rwx it", file)
	}
	return os.ReadFile(file)
}

// writeSecret writes a new file for its owner alone, durably, and refuses to
// touch one that exists.
func writeSecret(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return misusef("%s exists already and is not overwritten", file)
	}
	if err != nil {
		return misusef("%w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = syncFolder(filepath.Dir(file))
	}
	if err != nil { // nothing is left that would be in the way of another try
		return fmt.Errorf("write %s: %w", file, errors.Join(err, os.Remove(file)))
	}
	return nil
}

// syncFolder makes a new name in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readInput reads a file, or what is piped in when its name is "-".
func readInput(c *cli.Context, file string) ([]byte, error) {
	var in io.Reader = c.App.Reader
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, misusef("%w", err)
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case err != nil:
		return nil, misusef("%s: %w", file, err)
	case len(data) > maxInput:
		return nil, misusef("%s has more than %d bytes", file, maxInput)
	}
	return data, nil
}
