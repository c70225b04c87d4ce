package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Names inside network and data folders.
const (
	fileNetwork    = "network.yaml"
	fileAuthority  = "authority.key"
	fileApprover   = "approver.key"
	fileIdentity   = "identity.key"
	fileCredential = "credential.jwt"
	fileRun        = "run.json"
	fileAPIKeys    = "api-keys.json"
	fileWebhooks   = "webhooks.key"
)

// makeDir makes a folder that only its owner may enter.
func makeDir(dir string) error {
	return refuse(os.MkdirAll(dir, 0o700))
}

// createFile writes a new file durably, and refuses to touch one that exists.
func createFile(file string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return refusef("%s exists already and is not overwritten", file)
	}
	if err != nil {
		return refuse(err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// replaceFile writes a file so that a reader sees the old or the new content,
// never a part.
func replaceFile(file string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return refuse(err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when the rename worked
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.Rename(tmp.Name(), file)
}
