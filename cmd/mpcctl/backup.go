package main

import (
	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/cmd/mpcctl/internal/device"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

const (
	flagBackupPassphrase = "backup-passphrase-file"
	variableBackupPass   = "MPC_BACKUP_PASSPHRASE"
)

func backupFlag() cli.Flag {
	return &cli.StringFlag{
		Name: flagBackupPassphrase, Category: categoryDevice,
		Usage: "`FILE` with the passphrase of the backup; the variable " + variableBackupPass + " holds the passphrase itself (default: that of the data folder)" + variableHint(variableBackupPass+"_FILE"),
	}
}

// deviceShareCommands are the subcommands of mpcctl share that are about the
// shares on this device.
func deviceShareCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "list", Usage: "list the shares on this device", Flags: deviceFlags(),
			Action: listShares,
		},
		{
			Name: "export", ArgsUsage: "FILE", Usage: "write an encrypted backup of this device: its identity and its shares",
			Flags: deviceFlags(backupFlag()), Action: exportShares,
		},
		{
			Name: "import", ArgsUsage: "FILE", Usage: "restore a backup, into a data folder that is new or the same device's",
			Flags: deviceFlags(backupFlag()), Action: importShares,
		},
	}
}

// listedShare is a share as it is shown.
type listedShare struct {
	device.ShareInfo
	UserID    string          `json:"user_id"`
	Addresses *rest.Addresses `json:"addresses"`
}

// shareList is the output of share list.
type shareList struct {
	PeerID string        `json:"peer_id"`
	Shares []listedShare `json:"shares"`
}

func listShares(c *cli.Context) error {
	return withFolder(c, newTerminal(c), func(f *device.Folder) error {
		records, damaged := f.Shares(c.Context)
		list := shareList{PeerID: f.Peer(), Shares: []listedShare{}}
		for i := range records {
			a, err := device.AddressesOf(&records[i])
			if err != nil {
				return err
			}
			list.Shares = append(list.Shares, listedShare{device.InfoOf(&records[i]), records[i].Spec.Owner, a})
		}
		err := show(c, list, func(t *table) {
			t.row("device " + list.PeerID)
			if len(list.Shares) == 0 {
				t.row("no shares")
				return
			}
			t.row("ACCOUNT", "USER", "SCHEME", "THRESHOLD", "EPOCH", "NETWORK", "ADDRESS")
			for _, s := range list.Shares {
				t.row(s.AccountID, s.UserID, s.Scheme, s.Threshold, s.Epoch, s.Network, s.Addresses.Ethereum+s.Addresses.Solana)
			}
		})
		if err != nil {
			return err
		}
		return damaged
	})
}

// backupPassphrase is the backup's own passphrase, or the data folder's.
func backupPassphrase(c *cli.Context, talk *terminal, fresh bool) (string, error) {
	own := passphrase{flag: flagBackupPassphrase, variable: variableBackupPass}
	if text, ok, err := own.given(c); ok || err != nil {
		return text, err
	}
	folder := passphrase{
		flag: flagPassphrase, variable: variablePass, fresh: fresh, ask: "Passphrase of the backup: ",
		askNew: "Choose a passphrase for the backup\nPassphrase: ",
	}
	return folder.get(c, talk)
}

func exportShares(c *cli.Context) error {
	talk := newTerminal(c)
	return withFolder(c, talk, func(f *device.Folder) error {
		secret, err := backupPassphrase(c, talk, true)
		if err != nil {
			return err
		}
		file := c.Args().First()
		shares, err := f.Export(c.Context, device.ExportConfig{File: file, Passphrase: secret, Work: scryptWork})
		if err != nil {
			return err
		}
		return show(c, map[string]any{"file": file, "peer_id": f.Peer(), "shares": shares}, func(t *table) {
			for _, s := range shares {
				t.row("account "+s.AccountID, s.Threshold, s.PublicKey)
			}
			t.row("backup written to " + file + " and read back: keep it and its passphrase apart, away from this device")
		})
	})
}

func importShares(c *cli.Context) error {
	talk := newTerminal(c)
	folder, err := folderConfig(c, talk)
	if err != nil {
		return err
	}
	secret, err := backupPassphrase(c, talk, false)
	if err != nil {
		return err
	}
	shares, err := device.Import(c.Context, device.ImportConfig{File: c.Args().First(), Passphrase: secret, Folder: folder})
	if err != nil {
		return deviceError(err)
	}
	return show(c, map[string]any{"data_dir": folder.Dir, "shares": shares}, func(t *table) {
		for _, s := range shares {
			t.row("account "+s.AccountID, s.Threshold, s.PublicKey, s.Status, s.Detail)
		}
	})
}
