package device

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
)

// Names in the data folder.
const (
	masterFile = "master.age"
	storeDir   = "store"
)

// FolderConfig says where a device lives.
type FolderConfig struct {
	Dir string
	// Passphrase is asked for the folder's passphrase when it is needed; fresh says
	// that a new one is to be chosen.
	Passphrase func(fresh bool) (string, error)
	// Work is the work of opening the folder, as a power of two; 0: 18. Tests use
	// less.
	Work int
}

// Validate checks the configuration.
func (c *FolderConfig) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("no data folder was named")
	case c.Passphrase == nil:
		return errors.New("nobody to ask for the passphrase")
	}
	return nil
}

// Folder is a device's data folder, open and locked.
type Folder struct {
	dir      string
	lock     *keystore.DirLock
	identity ed25519.PrivateKey
	store    *keystore.Store
}

// Open opens a device's data folder, or makes a new device where there is none.
// Errors are ErrPassphrase, ErrDamaged, ErrForeign, ErrNewer, and keystore's, such
// as keystore.ErrInUse.
func Open(cfg FolderConfig) (*Folder, error) {
	return open(cfg, func() (*secrets, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make an identity: %w", err)
		}
		return newSecrets(key), nil
	})
}

// OpenExisting opens a data folder that holds a device; ErrNoFolder if it does
// not.
func OpenExisting(cfg FolderConfig) (*Folder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(cfg.Dir); errors.Is(err, fs.ErrNotExist) { // before the lock makes it
		return nil, noFolder(cfg.Dir)
	}
	return open(cfg, func() (*secrets, error) { return nil, noFolder(cfg.Dir) })
}

func noFolder(dir string) error {
	return fmt.Errorf("%w: %s: join a session first, or import a backup, or name another folder with --data-dir", ErrNoFolder, dir)
}

// open opens a folder; fresh makes the secrets of a new one.
func open(cfg FolderConfig, fresh func() (*secrets, error)) (*Folder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	lock, err := keystore.LockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: cfg.Dir, lock: lock}
	if err := f.load(cfg, fresh); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return f, nil
}

func (f *Folder) load(cfg FolderConfig, fresh func() (*secrets, error)) error {
	s, err := f.secrets(cfg, fresh)
	if err != nil {
		return err
	}
	master, err := keystore.ParseMasterKey(s.Master)
	if err != nil {
		return fmt.Errorf("%s: %w: its master key is malformed", f.file(masterFile), ErrDamaged)
	}
	f.identity = s.key()
	f.store, err = keystore.Open(keystore.Config{Dir: f.file(storeDir), Master: master, Party: s.PeerID})
	return err
}

// secrets reads the folder's secrets, or makes them.
func (f *Folder) secrets(cfg FolderConfig, fresh func() (*secrets, error)) (*secrets, error) {
	file := f.file(masterFile)
	sealed, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return f.makeSecrets(cfg, fresh)
	}
	if err != nil {
		return nil, err
	}
	passphrase, err := cfg.Passphrase(false)
	if err != nil {
		return nil, err
	}
	plain, err := unseal(sealed, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	defer clear(plain)
	s, err := decodeSecrets(plain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// makeSecrets begins a new device, unless there was one.
func (f *Folder) makeSecrets(cfg FolderConfig, fresh func() (*secrets, error)) (*secrets, error) {
	if _, err := os.Stat(f.file(storeDir)); err == nil {
		return nil, fmt.Errorf("%s is missing, and without it the shares in %s cannot be opened: import a backup into another folder", f.file(masterFile), f.dir)
	}
	s, err := fresh()
	if err != nil {
		return nil, err
	}
	passphrase, err := cfg.Passphrase(true)
	if err != nil {
		return nil, err
	}
	if err := CheckNewPassphrase(passphrase); err != nil {
		return nil, err
	}
	plain, err := s.encode()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed, err := seal(plain, passphrase, cfg.Work)
	if err != nil {
		return nil, err
	}
	return s, createFile(f.file(masterFile), sealed)
}

// Close closes the folder and gives up its lock.
func (f *Folder) Close() error {
	err := errors.Join(f.store.Close(), f.lock.Release())
	clear(f.identity)
	return err
}

// Dir is where the folder is.
func (f *Folder) Dir() string { return f.dir }

// Peer is the device's peer id.
func (f *Folder) Peer() protocol.PeerID {
	return protocol.PeerIDOf(f.identity.Public().(ed25519.PublicKey))
}

// Shares returns the device's shares. Those that are damaged are left out, and
// the error names them.
func (f *Folder) Shares(ctx context.Context) ([]protocol.KeyRecord, error) {
	return node.Shares(ctx, f.store)
}

// share returns the newest share of a key, nil if there is none.
func (f *Folder) share(ctx context.Context, key string) (*protocol.KeyRecord, error) {
	records, err := f.Shares(ctx)
	var newest *protocol.KeyRecord
	for i := range records {
		if r := &records[i]; r.Spec.Key == key && (newest == nil || r.Spec.Epoch > newest.Spec.Epoch) {
			newest = r
		}
	}
	if newest != nil {
		return newest, nil // another one may be damaged: that is of no concern here
	}
	return nil, err
}

func (f *Folder) file(name string) string { return filepath.Join(f.dir, name) }
