package device

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/protocol"
)

// Format and version of backups.
const (
	backupFormat  = "mpcctl-backup"
	backupVersion = 1
)

// backup is what a backup file holds; see the package comment.
type backup struct {
	Format   string    `json:"format"`
	Version  int       `json:"version"`
	Created  time.Time `json:"created"`
	PeerID   string    `json:"peer_id"`
	Identity []byte    `json:"identity"`
	Shares   []saved   `json:"shares"`
}

// saved is a share in a backup.
type saved struct {
	ShareInfo
	Record []byte `json:"record"`
}

// ShareInfo describes a share of this device.
type ShareInfo struct {
	Network         string `json:"network"`
	AccountID       string `json:"account_id"`
	KeygenSessionID string `json:"keygen_session_id"`
	Epoch           uint32 `json:"epoch"`
	Scheme          string `json:"scheme"`
	Threshold       string `json:"threshold"`
	PublicKey       string `json:"public_key"` // hex
}

// InfoOf describes the share of a record.
func InfoOf(r *protocol.KeyRecord) ShareInfo {
	s := &r.Spec
	return ShareInfo{
		Network: s.Network, AccountID: s.Account, KeygenSessionID: s.Key, Epoch: s.Epoch, Scheme: string(s.Scheme),
		Threshold: protocol.Threshold{T: s.Threshold, N: len(s.Roster)}.String(), PublicKey: hex.EncodeToString(r.PublicKey),
	}
}

// ExportConfig says where to write a backup.
type ExportConfig struct {
	File       string // must not exist
	Passphrase string // of the backup
	Work       int    // as FolderConfig.Work
}

// Export writes a backup of the device: its identity and all of its shares. What
// was written is read again and checked before it counts. Errors: ErrExists;
// shares that are damaged are an error as well, and nothing is written then.
func (f *Folder) Export(ctx context.Context, cfg ExportConfig) ([]ShareInfo, error) {
	if err := CheckNewPassphrase(cfg.Passphrase); err != nil {
		return nil, err
	}
	records, err := f.Shares(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("no backup was made: %w", err)
	case len(records) == 0:
		return nil, errors.New("no backup was made: this device holds no shares yet")
	}
	plain, infos, err := f.backup(records)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed, err := seal(plain, cfg.Passphrase, cfg.Work)
	if err != nil {
		return nil, err
	}
	if err := createFile(cfg.File, sealed); err != nil {
		return nil, err
	}
	if b, err := readBackup(cfg.File, cfg.Passphrase); err != nil || len(b.records) != len(records) {
		return nil, fmt.Errorf("the backup could not be read again and was removed: %w", errors.Join(err, os.Remove(cfg.File)))
	}
	return infos, nil
}

func (f *Folder) backup(records []protocol.KeyRecord) (plain []byte, infos []ShareInfo, err error) {
	b := backup{
		Format: backupFormat, Version: backupVersion, Created: time.Now().UTC().Truncate(time.Second),
		PeerID: f.Peer(), Identity: f.identity.Seed(),
	}
	for i := range records {
		data, err := protocol.Marshal(records[i])
		if err != nil {
			return nil, nil, fmt.Errorf("encode a share: %w", err)
		}
		info := InfoOf(&records[i])
		b.Shares, infos = append(b.Shares, saved{info, data}), append(infos, info)
	}
	if plain, err = json.Marshal(b); err != nil {
		return nil, nil, fmt.Errorf("encode the backup: %w", err)
	}
	return plain, infos, nil
}

// opened is a backup that was read and checked.
type opened struct {
	backup
	records []*protocol.KeyRecord
}

// readBackup reads a backup and checks everything in it.
func readBackup(file, passphrase string) (*opened, error) {
	sealed, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	plain, err := unseal(sealed, passphrase)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", file, err)
	}
	defer clear(plain)
	b, err := openBackup(plain)
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", file, err)
	}
	return b, nil
}

// openBackup checks what a backup holds: that the identity is the device's, and
// that each share is certified by all members of its key, sound, and the
// device's.
func openBackup(plain []byte) (*opened, error) {
	var b opened
	if err := decode(plain, &b.backup, backupVersion); err != nil {
		return nil, err
	}
	if b.Format != backupFormat {
		return nil, fmt.Errorf("%w: it is no backup of a device", ErrForeign)
	}
	if _, err := identityOf(b.Identity, b.PeerID); err != nil {
		return nil, err
	}
	for i := range b.Shares {
		s := &b.Shares[i]
		record, err := node.CheckShare(s.Record, b.PeerID)
		if err != nil {
			return nil, fmt.Errorf("%w: the share of account %s: %w", ErrDamaged, s.AccountID, err)
		}
		if InfoOf(record) != s.ShareInfo {
			return nil, fmt.Errorf("%w: the share of account %s is not the one that is listed", ErrDamaged, s.AccountID)
		}
		b.records = append(b.records, record)
	}
	return &b, nil
}
