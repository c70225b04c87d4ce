package main

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
)

// dataDir is a daemon's locked data folder with what it says about the node.
type dataDir struct {
	path       string
	lock       *keystore.DirLock
	identity   ed25519.PrivateKey
	network    networkFile
	credential string
	self       p2p.Member
	worker     *worker // of a supervised daemon, or nil
	pprof      string  // where profiles are served, or empty
}

// openDataDir locks the data folder and checks that the node is admitted to the
// network with the wanted role.
func openDataDir(cfg daemonConfig, roles ...p2p.Role) (*dataDir, error) {
	if info, err := os.Stat(cfg.DataDir); err != nil || !info.IsDir() {
		return nil, refusef("data folder %s does not exist: make it with mpcd keys identity --data-dir %[1]s, then admit the node", cfg.DataDir)
	}
	lock, err := lockDir(cfg.DataDir, cfg.LockWait)
	if err != nil {
		return nil, refuse(err)
	}
	d := &dataDir{path: cfg.DataDir, lock: lock}
	if err := d.load(cfg.Network, roles); err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return d, nil
}

// lockDir locks a folder; one that is in use may become free within the wait.
func lockDir(dir string, wait time.Duration) (*keystore.DirLock, error) {
	limit, again := time.NewTimer(wait), time.NewTicker(lockAgain)
	defer limit.Stop()
	defer again.Stop()
	for {
		lock, err := keystore.LockDir(dir)
		if !errors.Is(err, keystore.ErrInUse) {
			return lock, err
		}
		select {
		case <-limit.C:
			return nil, err
		case <-again.C:
		}
	}
}

// lockAgain is the pause between two tries to lock a folder.
const lockAgain = 10 * time.Millisecond

func (d *dataDir) load(network string, roles []p2p.Role) error {
	var err error
	if d.identity, err = readKey(d.file(fileIdentity)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = refusef("%s has no %s: make one with mpcd keys identity --data-dir %[1]s, then admit the node", d.path, fileIdentity)
		}
		return err
	}
	if d.network, err = findNetwork(d.path, network); err != nil {
		return err
	}
	token, err := os.ReadFile(d.file(fileCredential))
	if err != nil {
		return refusef("no membership credential: put the one that mpcd network admit made into %s", d.file(fileCredential))
	}
	d.credential = strings.TrimSpace(string(token))
	return d.checkCredential(roles)
}

func (d *dataDir) checkCredential(roles []p2p.Role) error {
	var err error
	if d.self, err = p2p.VerifyCredential(d.network.Authority, d.network.Name, d.credential, time.Now()); err != nil {
		return refusef("%s: %w", d.file(fileCredential), err)
	}
	me := p2p.PeerOf(d.identity.Public().(ed25519.PublicKey))
	switch {
	case d.self.Peer != me:
		return refusef("%s is for peer %s, and this node is %s: admit this peer id", d.file(fileCredential), d.self.Peer, me)
	case !slices.Contains(roles, d.self.Role):
		return refusef("%s is for the role %s, not %s: admit this node again with --role %[3]s", d.file(fileCredential), d.self.Role, roles[0])
	}
	return nil
}

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// p2pConfig describes the node's place in the network.
func (d *dataDir) p2pConfig(cfg daemonConfig, seek ...p2p.Role) p2p.Config {
	return p2p.Config{
		Identity: d.identity, Network: d.network.Name, Authority: d.network.Authority, Credential: d.credential,
		Listen: cfg.Listen, Bootstrap: cfg.Bootstrap, Seek: seek, Software: software(),
	}
}

func (d *dataDir) close() error { return d.lock.Release() }
