package keystore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
)

// What Config.Dir holds, beside the lock.
const (
	checkFile = "master.check"
	saltsName = "salts"
	dbName    = "db"
)

// prepare verifies the folder, or makes a new one, and closes it to others.
func prepare(cfg Config) (masterCheck, error) {
	path := filepath.Join(cfg.Dir, checkFile)
	check, err := readCheck(path, cfg.Master, cfg.Party)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		check, err = create(cfg, path)
	case err == nil:
		err = complete(cfg.Dir)
	}
	if err != nil {
		return masterCheck{}, err
	}
	return check, tightenAll(cfg.Dir)
}

// create makes the folders and then the check, whose presence says that they are there.
func create(cfg Config, path string) (masterCheck, error) {
	for _, name := range []string{saltsName, dbName} {
		dir := filepath.Join(cfg.Dir, name)
		if used, err := hasEntries(dir); err != nil {
			return masterCheck{}, err
		} else if used {
			return masterCheck{}, fmt.Errorf("%w: %s is missing beside %s; restore it from a cold copy, or choose an empty folder", ErrIncomplete, path, dir)
		}
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return masterCheck{}, fmt.Errorf("make keystore: %w", err)
		}
	}
	if err := errors.Join(SyncDir(cfg.Dir), SyncDir(filepath.Dir(filepath.Clean(cfg.Dir)))); err != nil {
		return masterCheck{}, fmt.Errorf("make keystore: %w", err)
	}
	return writeCheck(path, cfg.Master, cfg.Party)
}

// complete finds parts that a partial copy has left out: Badger would begin an empty
// database without a word.
func complete(dir string) error {
	for _, name := range []string{saltsName, dbName} {
		if has, err := exists(filepath.Join(dir, name)); err != nil {
			return err
		} else if !has {
			return fmt.Errorf("%w: folder %s is missing; restore it from a cold copy", ErrIncomplete, filepath.Join(dir, name))
		}
	}
	manifest := filepath.Join(dir, dbName, badger.ManifestFilename)
	begun, err := exists(manifest)
	if err != nil || begun {
		return err
	}
	if used, err := hasEntries(filepath.Join(dir, saltsName)); err != nil {
		return err
	} else if used {
		return fmt.Errorf("%w: %s is missing; restore it from a cold copy", ErrIncomplete, manifest)
	}
	return nil
}

// tightenAll takes rights of others away from what is ours and says so once.
func tightenAll(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	n := 0
	if open, err := tightenOne(dir, fs.FileInfoToDirEntry(info)); err != nil {
		return err
	} else if open {
		n++
	}
	for _, name := range []string{checkFile, saltsName} {
		k, err := tighten(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		n += k
	}
	// Badger makes files with the umask: nothing to report. Only now, for a running Badger
	// deletes files under our feet.
	if _, err := tighten(filepath.Join(dir, dbName)); err != nil {
		return err
	}
	if n > 0 {
		logger.Warnf("%s was open to other users: %d entries tightened; consider its secrets read", dir, n)
	}
	return nil
}
