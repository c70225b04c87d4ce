package main

import (
	"fmt"

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

// blameText says who is blamed, by whom and what for. That something is proven is
// said only when the evidence that came along proves it here, and that its attempt
// is one of this session is not proven by that.
func blameText(b *rest.Blame) string {
	text := fmt.Sprintf("%s: %s in attempt %d", nameOr(b.Party.Name, b.Party.PeerID), b.Reason, b.Attempt)
	by := nameOr(b.By.Name, b.By.PeerID)
	switch f, err := client.VerifyBlame(b); {
	case err != nil:
		return text + ", says the coordinator; but " + err.Error()
	case f.Proven:
		return text + ", proven by its own signatures, which " + by + " brought (of this session, says the coordinator)"
	}
	return text + ", says " + by
}

func showSession(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		s, err := api.Session(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		return printSession(c, api, s)
	})
}

func cancelSession(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		s, err := api.CancelSession(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		return printSession(c, api, s)
	})
}

// printSession shows a session; a signature only after it was verified.
func printSession(c *cli.Context, api *client.Client, s *rest.Session) error {
	if err := api.VerifySession(c.Context, s); err != nil {
		return err
	}
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
		for _, b := range s.Blame {
			t.row("blame", blameText(&b))
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
