package main

import (
	"encoding/hex"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func sessionCreateCommand() *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "make a session that waits for users: a key for USER of which they hold shares, or a signature that their devices make",
		ArgsUsage: "[USER]",
		Flags: append(append(keyFlags(), messageFlags()...),
			&cli.BoolFlag{Name: "open-user-slot", Usage: "key: one share is the user's; share generate completes the session"},
			&cli.IntFlag{Name: "server-parties", Usage: "co-managed key: how many parties of the network take part"},
			&cli.IntFlag{Name: "external-parties", Usage: "how many users' devices take part; each gets an invite (signature: default as few as possible)"},
			&cli.StringFlag{Name: "account", Usage: "signature: the `ACCOUNT` that signs --digest, --file or --text"},
			&cli.DurationFlag{Name: "expires-in", Usage: "how long the session waits, such as 24h"},
		),
		Action: createSession,
	}
}

func createSession(c *cli.Context) error {
	build := keygenSession
	if c.String("account") != "" {
		build = signSession
	}
	req, err := build(c)
	if err != nil {
		return err
	}
	req.ExternalParties, req.ExpiresIn = c.Int("external-parties"), int(c.Duration("expires-in").Seconds())
	return call(c, func(api *client.Client) error {
		s, err := api.CreateSession(c.Context, *req)
		if err != nil {
			return err
		}
		return printSession(c, api, s)
	})
}

func keygenSession(c *cli.Context) (*rest.CreateSession, error) {
	var key rest.CreateAccount
	if err := readKeyFlags(c, &key); err != nil {
		return nil, err
	}
	req := &rest.CreateSession{
		Kind: rest.KindKeygen, UserID: c.Args().First(), Scheme: key.Scheme, Threshold: key.Threshold, Parties: key.Parties,
		Labels: key.Labels, Approvers: key.Approvers, OpenUserSlot: c.Bool("open-user-slot"), ServerParties: c.Int("server-parties"),
	}
	switch external := c.Int("external-parties") > 0; {
	case external && req.OpenUserSlot:
		return nil, misusef("--open-user-slot and --external-parties are of different sessions: give one of them")
	case external:
		req.Kind = rest.KindCoManagedKeygen
	case !req.OpenUserSlot:
		return nil, misusef("give --account, --open-user-slot or --external-parties; account create makes a key that waits for nobody")
	}
	if req.UserID == "" {
		return nil, misusef("USER is missing: the owner of the account; see %s --help", c.Command.HelpName)
	}
	return req, nil
}

func signSession(c *cli.Context) (*rest.CreateSession, error) {
	if c.NArg() > 0 {
		return nil, misusef("unexpected argument %q: --account says whose key signs", c.Args().First())
	}
	data, hash, err := message(c)
	if err != nil {
		return nil, err
	}
	return &rest.CreateSession{Kind: rest.KindSign, AccountID: c.String("account"), Message: hex.EncodeToString(data), Encoding: "hex", Hash: hash}, nil
}
