package device

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/meshmpc/mpcd/node"
)

// ImportConfig says what to restore and to where.
type ImportConfig struct {
	File       string
	Passphrase string // of the backup
	Folder     FolderConfig
}

// Imported says what became of a share in a backup.
type Imported struct {
	ShareInfo
	// Status is restored; present: the folder has this very share; kept: the folder
	// has a newer one, or has erased this one, and was left as it is.
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// Import checks a backup, all of it, and then writes it into a folder that is
// new or is the same device's. It overwrites nothing. Errors are those of Open, and
// of the backup: ErrPassphrase, ErrDamaged, ErrForeign, ErrNewer.
func Import(ctx context.Context, cfg ImportConfig) (shares []Imported, err error) {
	b, err := readBackup(cfg.File, cfg.Passphrase)
	if err != nil {
		return nil, err
	}
	key, err := identityOf(b.Identity, b.PeerID)
	if err != nil {
		return nil, err
	}
	f, err := open(cfg.Folder, func() (*secrets, error) { return newSecrets(key), nil })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if !f.identity.Equal(ed25519.PrivateKey(key)) {
		return nil, fmt.Errorf("%w: the backup is of device %s, and %s is device %s, which is not overwritten: name an empty folder with --data-dir",
			ErrForeign, b.PeerID, f.dir, f.Peer())
	}
	for i, record := range b.records {
		done := Imported{ShareInfo: b.Shares[i].ShareInfo, Status: "restored"}
		err := node.RestoreShare(ctx, f.store, record)
		switch {
		case errors.Is(err, node.ErrShareHere):
			done.Status = "present"
		case errors.Is(err, node.ErrShareNewer):
			done.Status, done.Detail = "kept", err.Error()
		case err != nil:
			return shares, fmt.Errorf("restore the share of account %s: %w", done.AccountID, err)
		}
		shares = append(shares, done)
	}
	return shares, nil
}
