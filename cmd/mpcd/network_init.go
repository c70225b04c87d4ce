package main

import (
	"crypto/ed25519"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/protocol"
)

func networkCommand() *cli.Command {
	return &cli.Command{
		Name: "network", Usage: "make a network and admit nodes to it",
		Subcommands: []*cli.Command{initCommand(), admitCommand()},
	}
}

func initCommand() *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "make a network: its name and its two keys",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "`FOLDER` to make the network in"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the network: lower-case letters, digits, hyphens"},
			&cli.BoolFlag{Name: "plain-user-shares", Usage: "let users sign with a share that is not sealed: coordinators see it then; for callers that cannot seal"},
		},
		Action: func(c *cli.Context) error {
			dir, name := c.String("dir"), c.String("name")
			if dir == "" {
				return refusef("--dir is missing: name the folder to make the network in")
			}
			if err := checkNetworkName(name); err != nil {
				return err
			}
			if err := initNetwork(dir, networkFile{Name: name, PlainUserShares: c.Bool("plain-user-shares")}); err != nil {
				return err
			}
			printf(c, initDone, name, dir)
			return nil
		},
	}
}

const initDone = `network %s made in %s
  network.yaml   public; every node gets a copy
  authority.key  admits nodes. Back it up offline; it is not needed on any node
  approver.key   authorises signing through coordinators. Back it up; only coordinators get a copy
Next: mpcd network admit --help
`

// initNetwork makes the folder's three files, with the keys that the network
// still lacks. The network file comes last, so
// that an interrupted run is seen as such.
func initNetwork(dir string, network networkFile) error {
	if err := makeDir(dir); err != nil {
		return err
	}
	for _, file := range []string{fileNetwork, fileAuthority, fileApprover} {
		if exists(filepath.Join(dir, file)) {
			return refusef("%s exists already: a network is made once; choose another --dir", filepath.Join(dir, file))
		}
	}
	authority, err := makeKey(filepath.Join(dir, fileAuthority))
	if err != nil {
		return err
	}
	approver, err := makeKey(filepath.Join(dir, fileApprover))
	if err != nil {
		return err
	}
	if network.Approver, err = protocol.ApproverKey(approver.Public()); err != nil {
		return err
	}
	network.Authority = authority.Public().(ed25519.PublicKey)
	data, err := network.encode()
	if err != nil {
		return err
	}
	return createFile(filepath.Join(dir, fileNetwork), data, 0o644)
}
