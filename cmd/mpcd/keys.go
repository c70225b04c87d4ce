package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/p2p"
)

func keysCommand() *cli.Command {
	return &cli.Command{
		Name: "keys", Usage: "this node's own keys",
		Subcommands: []*cli.Command{{
			Name: "identity", Usage: "print the peer id of a data folder, making its identity when there is none",
			Flags: []cli.Flag{&cli.StringFlag{Name: setDataDir, EnvVars: []string{"MPC_DATA_DIR"}, Usage: "data `FOLDER` of the node"}},
			Action: func(c *cli.Context) error {
				dir := c.String(setDataDir)
				if dir == "" {
					return refusef("--data-dir is missing: name the node's data folder")
				}
				peer, err := keepIdentity(dir)
				if err == nil {
					printf(c, "%s\n", peer)
				}
				return err
			},
		}},
	}
}

// keepIdentity returns the peer id of a data folder, making the folder and the
// identity when they do not exist yet.
func keepIdentity(dataDir string) (p2p.PeerID, error) {
	if err := makeDir(dataDir); err != nil {
		return "", err
	}
	key, err := keepKey(filepath.Join(dataDir, fileIdentity))
	if err != nil {
		return "", err
	}
	return p2p.PeerOf(key.Public().(ed25519.PublicKey)), nil
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}
