package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/cmd/mpcctl/internal/device"
	"github.com/meshmpc/mpcd/keystore"
)

// Flags and variables of commands that work with a device's data folder.
const (
	flagDataDir    = "data-dir"
	flagPassphrase = "passphrase-file"
	variableDir    = "MPCCTL_DATA_DIR"
	variablePass   = "MPC_PASSPHRASE"
	categoryDevice = "this device"
)

// scryptWork is the work of opening what a passphrase protects, as a power of
// two; 0: the package's own. Tests have less.
var scryptWork int

// deviceFlags are those of every command that opens the data folder.
func deviceFlags(own ...cli.Flag) []cli.Flag {
	return append(own,
		&cli.StringFlag{Name: flagDataDir, Category: categoryDevice, Usage: "`FOLDER` of this device's identity and shares (default: ~/.local/share/mpcctl)" + variableHint(variableDir)},
		&cli.StringFlag{Name: flagPassphrase, Category: categoryDevice, Usage: "`FILE` with the passphrase of the data folder; the variable " + variablePass + " holds the passphrase itself" + variableHint(variablePass+"_FILE")},
	)
}

// folderConfig says where this device is, and who knows its passphrase.
func folderConfig(c *cli.Context, talk *terminal) (device.FolderConfig, error) {
	dir, err := dataDir(c)
	return device.FolderConfig{Dir: dir, Work: scryptWork, Passphrase: func(fresh bool) (string, error) {
		return passphrase{
			flag: flagPassphrase, variable: variablePass, fresh: fresh, ask: "Passphrase of this device: ",
			askNew: "Choose a passphrase for this device's data folder, " + dir + "\nPassphrase: ",
		}.get(c, talk)
	}}, err
}

// dataDir is the device's data folder: by the XDG base directory specification,
// unless it is named.
func dataDir(c *cli.Context) (string, error) {
	if dir := c.String(flagDataDir); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv(variableDir); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "mpcctl"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", misusef("no home folder: name the data folder with --%s", flagDataDir)
	}
	return filepath.Join(home, ".local", "share", "mpcctl"), nil
}

// withFolder runs f with the data folder of a device, which it closes.
func withFolder(c *cli.Context, talk *terminal, f func(*device.Folder) error) (err error) {
	cfg, err := folderConfig(c, talk)
	if err != nil {
		return err
	}
	folder, err := device.OpenExisting(cfg)
	if err != nil {
		return deviceError(err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	return deviceError(f(folder))
}

// passphrase is where a passphrase comes from: a variable, a file, or the person
// at the terminal.
type passphrase struct {
	flag, variable string
	ask, askNew    string
	fresh          bool // it is being chosen
}

func (p passphrase) get(c *cli.Context, talk *terminal) (string, error) {
	if text, ok, err := p.given(c); ok || err != nil {
		return text, err
	}
	if !talk.interactive() {
		return "", misusef("no passphrase: set %s, or name a file that holds it with --%s", p.variable, p.flag)
	}
	if !p.fresh {
		return talk.secret(c.Context, p.ask)
	}
	return p.choose(c.Context, talk)
}

// given is a passphrase that need not be asked for.
func (p passphrase) given(c *cli.Context) (text string, ok bool, err error) {
	file := c.String(p.flag)
	if value := os.Getenv(p.variable); value != "" && file == "" {
		return value, true, nil
	}
	if file == "" {
		file = os.Getenv(p.variable + "_FILE")
	}
	if file == "" {
		return "", false, nil
	}
	data, err := readSecret(file)
	if err != nil {
		return "", false, misusef("passphrase: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", false, misusef("passphrase: the first line of %s is empty", file)
	}
	return line, true, nil
}

// choose asks for a new passphrase, twice, until it will do.
func (p passphrase) choose(ctx context.Context, talk *terminal) (string, error) {
	for {
		first, err := talk.secret(ctx, p.askNew)
		if err != nil {
			return "", err
		}
		if err := device.CheckNewPassphrase(first); err != nil {
			talk.say("%v", err)
			continue
		}
		again, err := talk.secret(ctx, "The same again: ")
		if err != nil {
			return "", err
		}
		if first == again {
			return first, nil
		}
		talk.say("These two are not the same.")
	}
}

// deviceError marks what the user can mend: wrong passphrases and files.
func deviceError(err error) error {
	for _, mine := range []error{
		device.ErrPassphrase, device.ErrDamaged, device.ErrForeign, device.ErrNewer, device.ErrNoFolder, device.ErrExists, device.ErrNoShare,
		keystore.ErrInUse, keystore.ErrIncomplete, keystore.ErrWrongMasterKey, keystore.ErrWrongParty, os.ErrNotExist, os.ErrPermission,
	} {
		if errors.Is(err, mine) {
			return misuse{err}
		}
	}
	return err
}

// guardSecrets keeps shares and keys out of files that a crash would write.
func guardSecrets() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("switch off core dumps: %w", err)
	}
	return nil
}
