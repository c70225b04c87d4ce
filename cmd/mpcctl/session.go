package main

import (
	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func sessionCommand() *cli.Command {
	return &cli.Command{
		Name: "session", Usage: "make, show, follow and cancel sessions",
		Subcommands: []*cli.Command{
			sessionCreateCommand(),
			{
				Name: "list", Usage: "list sessions, newest first",
				Flags: []cli.Flag{
					limitFlag(),
					&cli.StringFlag{Name: "kind", Usage: "only sessions of this `KIND`: keygen, co_managed_keygen, sign"},
					&cli.StringFlag{Name: "status", Usage: "only sessions in this `STATUS`: created, running, completed, failed, cancelled, expired"},
					&cli.StringFlag{Name: "account", Usage: "only sessions of this `ACCOUNT`"},
				},
				Action: listSessions,
			},
			{Name: "show", Usage: "show a session", ArgsUsage: "SESSION", Action: showSession},
			{
				Name: "watch", Usage: "follow a session until it has ended; --json prints its events, one a line", ArgsUsage: "SESSION",
				Action: watchSession,
			},
			{Name: "cancel", Usage: "end a session", ArgsUsage: "SESSION", Action: cancelSession},
		},
	}
}

func listSessions(c *cli.Context) error {
	filter := client.SessionFilter{Kind: c.String("kind"), Status: c.String("status"), AccountID: c.String("account")}
	return call(c, func(api *client.Client) error {
		sessions, err := first(c, api.Sessions(c.Context, filter))
		if err != nil {
			return err
		}
		return show(c, rest.SessionList{Sessions: sessions}, func(t *table) {
			t.row("SESSION", "KIND", "STATUS", "ACCOUNT", "CREATED")
			for _, s := range sessions {
				t.row(s.ID, s.Kind, statusText(&s), s.AccountID, s.CreatedAt)
			}
		})
	})
}

// statusText is a session's status and what it waits for.
func statusText(s *rest.Session) string {
	if s.WaitingFor != "" {
		return s.Status + ", waits for " + s.WaitingFor
	}
	return s.Status
}

func showSession(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		s, err := api.Session(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		return printSession(c, s)
	})
}

func cancelSession(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		s, err := api.CancelSession(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		return printSession(c, s)
	})
}

func printSession(c *cli.Context, s *rest.Session) error {
	return show(c, s, func(t *table) {
		t.row("session", s.ID)
		t.row("kind", s.Kind)
		t.row("status", statusText(s))
		if s.Error != nil {
			t.row("error", explainProblem(s.Error))
		}
		t.row("account", s.AccountID)
		t.field("user", s.UserID)
		t.field("scheme", s.Scheme)
		t.row("threshold", threshold(s.ThresholdT, s.ThresholdN))
		t.field("hash", s.Hash)
		t.field("digest", cut(s.Digest, 128))
		t.field("fingerprint", s.Fingerprint)
		for _, p := range s.Parties {
			t.row("party", nameOr(p.Name, p.PeerID)+"  "+partyState(&p))
		}
		for _, i := range s.Invites {
			t.row("invite", inviteText(&i))
		}
		if s.Approval != nil && s.Approval.By == "approvers" {
			t.row("approvals", approvalText(s.Approval))
			t.field("approved by", s.Approved)
		}
		if s.Signature != nil {
			t.row("signature", s.Signature.Compact)
		}
		t.field("created", s.CreatedAt)
		t.field("expires", s.ExpiresAt)
		t.field("finished", s.FinishedAt)
	})
}

func sessionCreateCommand() *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "make a session that waits for its users: a keygen with an open user slot, or a co-managed keygen", ArgsUsage: "USER",
		Flags: append(keyFlags(),
			&cli.BoolFlag{Name: "open-user-slot", Usage: "one share is the user's; share generate completes the session"},
			&cli.IntFlag{Name: "server-parties", Usage: "co-managed: how many parties of the network take part"},
			&cli.IntFlag{Name: "external-parties", Usage: "co-managed: how many users' devices take part; each gets an invite"},
			&cli.DurationFlag{Name: "expires-in", Usage: "how long the session waits, such as 24h"},
		),
		Action: createSession,
	}
}

func createSession(c *cli.Context) error {
	var key rest.CreateAccount
	if err := readKeyFlags(c, &key); err != nil {
		return err
	}
	req := rest.CreateSession{
		Kind: rest.KindKeygen, UserID: c.Args().First(), Scheme: key.Scheme, Threshold: key.Threshold, Parties: key.Parties,
		Labels: key.Labels, Approvers: key.Approvers, OpenUserSlot: c.Bool("open-user-slot"),
		ServerParties: c.Int("server-parties"), ExternalParties: c.Int("external-parties"), ExpiresIn: int(c.Duration("expires-in").Seconds()),
	}
	switch {
	case req.ExternalParties > 0 && req.OpenUserSlot:
		return misusef("--open-user-slot and --external-parties are of different sessions: give one of them")
	case req.ExternalParties > 0:
		req.Kind = rest.KindCoManagedKeygen
	case !req.OpenUserSlot:
		return misusef("give --open-user-slot or --external-parties; account create makes a key that waits for nobody")
	}
	return call(c, func(api *client.Client) error {
		s, err := api.CreateSession(c.Context, req)
		if err != nil {
			return err
		}
		return printSession(c, s)
	})
}
