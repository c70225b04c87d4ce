package main

import (
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func inviteCommand() *cli.Command {
	return &cli.Command{
		Name: "invite", Usage: "make and show invites to co-managed sessions",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make an invite in place of an unused one; its code is shown this once", ArgsUsage: "SESSION",
				Flags:  []cli.Flag{&cli.StringFlag{Name: "replace", Usage: "`ID` of the unused invite that is revoked (default: the oldest)"}},
				Action: createInvite,
			},
			{Name: "list", Usage: "list a session's invites, without their codes", ArgsUsage: "SESSION", Action: listInvites},
			{Name: "show", Usage: "show what a code invites to; needs no API key", ArgsUsage: "CODE", Action: showInvite},
		},
	}
}

func createInvite(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		invites, err := api.CreateInvites(c.Context, c.Args().First(), rest.CreateInvites{Replace: c.String("replace")})
		if err != nil {
			return err
		}
		return printInvites(c, invites)
	})
}

func listInvites(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		s, err := api.Session(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		return printInvites(c, s.Invites)
	})
}

func printInvites(c *cli.Context, invites []rest.Invite) error {
	return show(c, rest.InviteList{Invites: append([]rest.Invite{}, invites...)}, func(t *table) {
		t.row("INVITE", "STATUS", "EXPIRES", "USED BY", "CODE")
		for _, i := range invites {
			t.row(i.ID, i.Status, i.ExpiresAt, i.PeerID, i.Code)
		}
	})
}

// inviteText is an invite on one line.
func inviteText(i *rest.Invite) string {
	text := i.ID + "  " + i.Status
	if i.Code != "" {
		text += "  code " + i.Code
	}
	return text
}

func showInvite(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		i, err := api.Invite(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		return show(c, i, func(t *table) {
			t.row("session", i.SessionID)
			t.row("kind", i.Kind)
			t.row("network", i.Network)
			t.field("user", i.UserID)
			t.field("account", i.AccountID)
			t.field("scheme", i.Scheme)
			t.row("threshold", threshold(i.ThresholdT, i.ThresholdN))
			t.field("digest", cut(i.Digest, 128))
			t.row("status", i.Status)
			t.row("expires", i.ExpiresAt)
		})
	})
}

// skew is a difference of clocks in words.
func skew(ms int64) string {
	if ms == 0 {
		return "same"
	}
	return (time.Duration(ms) * time.Millisecond).String()
}
