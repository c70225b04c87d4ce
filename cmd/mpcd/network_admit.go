package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/p2p"
)

func admitCommand() *cli.Command {
	return &cli.Command{
		Name: "admit", Usage: "sign a membership credential for a node",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "network-dir", Usage: "`FOLDER` that network init made"},
			&cli.StringFlag{Name: "role", Usage: "party, delegate (a party that only ever computes for users), coordinator or bootstrap"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the node, for people"},
			&cli.StringFlag{Name: "data-dir", Usage: "data `FOLDER` of the node, on this machine: makes its identity when there is none, and puts everything it needs there"},
			&cli.StringFlag{Name: "peer-id", Usage: "`PEER` id of a node elsewhere, as mpcd keys identity prints it there"},
			&cli.StringSliceFlag{Name: "label", Usage: "`KEY=VALUE` shown with the node; repeatable"},
			&cli.DurationFlag{Name: "ttl", Value: p2p.DefaultLife, Usage: "how long the credential is valid"},
			&cli.StringFlag{Name: "out", Usage: "`FILE` for the credential (default: DATA_DIR/credential.jwt, or standard output)"},
		},
		Action: func(c *cli.Context) error {
			a := admission{
				networkDir: c.String("network-dir"), role: p2p.Role(c.String("role")), name: c.String("name"),
				dataDir: c.String("data-dir"), peer: c.String("peer-id"), ttl: c.Duration("ttl"), out: c.String("out"),
			}
			var err error
			if a.labels, err = parseLabels(c.StringSlice("label")); err != nil {
				return err
			}
			return a.run(c)
		},
	}
}

// admitted are the roles that a credential may have. Guests have none.
var admitted = []p2p.Role{p2p.RoleParty, p2p.RoleDelegate, p2p.RoleCoordinator, p2p.RoleBootstrap}

// admission is one request to admit a node.
type admission struct {
	networkDir string
	role       p2p.Role
	name       string
	dataDir    string // either this
	peer       p2p.PeerID
	labels     map[string]string
	ttl        time.Duration
	out        string
}

func (a *admission) validate() error {
	switch {
	case a.networkDir == "":
		return refusef("--network-dir is missing: name the folder that network init made")
	case !slices.Contains(admitted, a.role):
		return refusef("--role %q: use party, delegate, coordinator or bootstrap", a.role)
	case a.name == "":
		return refusef("--name is missing: name the node, for people")
	case (a.dataDir == "") == (a.peer == ""):
		return refusef("give either --data-dir, for a node on this machine, or --peer-id, for a node elsewhere")
	case a.ttl < time.Second:
		return refusef("--ttl %v: a credential lives at least one second", a.ttl)
	case a.peer != "":
		return refuse(p2p.ParsePeer(a.peer))
	}
	return nil
}

func (a *admission) run(c *cli.Context) error {
	if err := a.validate(); err != nil {
		return err
	}
	network, err := readNetwork(filepath.Join(a.networkDir, fileNetwork))
	if err != nil {
		return err
	}
	authority, err := readKey(filepath.Join(a.networkDir, fileAuthority))
	if err != nil {
		return err
	}
	if !authority.Public().(ed25519.PublicKey).Equal(network.Authority) {
		return refusef("%s is not the key that %s names", fileAuthority, fileNetwork)
	}
	if a.dataDir != "" {
		if a.peer, err = keepIdentity(a.dataDir); err != nil {
			return err
		}
	}
	now := time.Now()
	token, err := p2p.IssueCredential(authority, network.Name, p2p.Member{
		Peer: a.peer, Role: a.role, Name: a.name, Labels: a.labels, IssuedAt: now, Expires: now.Add(a.ttl),
	})
	if err != nil {
		return refuse(err)
	}
	return a.deliver(c, network, token)
}

// deliver puts the credential where it was asked for, and with a data folder
// also the files that the node needs beside it.
func (a *admission) deliver(c *cli.Context, network networkFile, token string) error {
	if a.dataDir != "" {
		if err := a.fill(network); err != nil {
			return err
		}
		if a.out == "" {
			a.out = filepath.Join(a.dataDir, fileCredential)
		}
	}
	if a.out == "" {
		printf(c, "%s\n", token)
		return nil
	}
	if err := replaceFile(a.out, []byte(token+"\n"), 0o644); err != nil {
		return err
	}
	printf(c, "%s admitted to %s as %s, peer id %s, until %s\ncredential: %s\n",
		a.name, network.Name, a.role, a.peer, time.Now().Add(a.ttl).UTC().Format(time.RFC3339), a.out)
	return nil
}

func (a *admission) fill(network networkFile) error {
	data, err := network.encode()
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(a.dataDir, fileNetwork), data, 0o644); err != nil {
		return err
	}
	if a.role != p2p.RoleCoordinator {
		return nil
	}
	key, err := os.ReadFile(filepath.Join(a.networkDir, fileApprover))
	if err != nil {
		return refuse(err)
	}
	return replaceFile(filepath.Join(a.dataDir, fileApprover), key, 0o600)
}

func parseLabels(pairs []string) (map[string]string, error) {
	labels := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, refusef("--label %q: write KEY=VALUE", pair)
		}
		labels[key] = value
	}
	return labels, nil
}
