package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func approvalsCommand() *cli.Command {
	return &cli.Command{
		Name: "approvals", Usage: "see what waits for approval",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the sessions that wait for approvals", Flags: []cli.Flag{limitFlag()}, Action: listApprovals},
		},
	}
}

func listApprovals(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		all, err := first(c, api.Approvals(c.Context))
		if err != nil {
			return err
		}
		return show(c, rest.ApprovalList{Approvals: all}, func(t *table) {
			t.row("SESSION", "ACCOUNT", "USER", "APPROVED", "EXPIRES")
			for _, p := range all {
				t.row(p.SessionID, p.AccountID, p.UserID, fmt.Sprintf("%d of %d", len(p.Approved), p.Needed), p.ExpiresAt)
			}
		})
	})
}

func approveCommand() *cli.Command {
	return &cli.Command{
		Name: "approve", Usage: "show what a session is to sign, and approve it", ArgsUsage: "SESSION",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "`FILE` with the approver's private key: PEM PKCS#8, Ed25519 or P-256"},
			&cli.DurationFlag{Name: "for", Value: 10 * time.Minute, Usage: "how long the approval is valid, at most 24h"},
			&cli.BoolFlag{Name: "yes", Usage: "do not ask"},
			&cli.BoolFlag{Name: "print", Usage: "print the approval and do not send it"},
		},
		Action: approve,
	}
}

// errDeclined reports that the user has not said yes.
var errDeclined = errors.New("not approved")

func approve(c *cli.Context) error {
	file := c.String("key")
	if file == "" {
		return misusef("--key is missing: it names the file with the approver's private key")
	}
	key, err := readApprover(file)
	if err != nil {
		return err
	}
	if d := c.Duration("for"); d < time.Second || d > protocol.MaxApprovalLife {
		return misusef("--for %v: an approval is valid from a second to %v", d, protocol.MaxApprovalLife)
	}
	return call(c, func(api *client.Client) error {
		p, err := findPending(c, api)
		if err != nil {
			return err
		}
		if err := api.CheckPending(c.Context, p); err != nil {
			return err
		}
		if err := confirm(c, p); err != nil {
			return err
		}
		token, err := client.Approve(key, p, c.Duration("for"))
		if err != nil {
			return err
		}
		if c.Bool("print") {
			return show(c, rest.Approvals{Approvals: []string{token}}, func(t *table) { t.row(token) })
		}
		s, err := api.AddApprovals(c.Context, p.SessionID, token)
		if err != nil {
			return err
		}
		return printSession(c, api, s)
	})
}

func findPending(c *cli.Context, api *client.Client) (*rest.PendingApproval, error) {
	id := c.Args().First()
	for p, err := range api.Approvals(c.Context) {
		if err != nil {
			return nil, err
		}
		if p.SessionID == id {
			return &p, nil
		}
	}
	s, err := api.Session(c.Context, id)
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("session %s does not wait for approvals: it is %s", id, statusText(s))
}

// confirm shows what is to be approved and asks.
func confirm(c *cli.Context, p *rest.PendingApproval) error {
	t := newTable(c.App.ErrWriter)
	describePending(t, p)
	if err := t.flush(); err != nil {
		return err
	}
	if c.Bool("yes") {
		return nil
	}
	if len(p.Message) > 2*maxShownMessage {
		return fmt.Errorf("the message is longer than what is shown of it: look at all of it with mpcctl approvals list --json, and approve with --yes")
	}
	fmt.Fprint(c.App.ErrWriter, "Approve this signature? Type yes: ")
	line, err := bufio.NewReader(c.App.Reader).ReadString('\n')
	if err != nil && line == "" {
		return misusef("nobody answers: run it on a terminal, or give --yes")
	}
	if strings.TrimSpace(strings.ToLower(line)) != "yes" {
		return errDeclined
	}
	return nil
}

// maxShownMessage is how much of a message is shown, in bytes.
const maxShownMessage = 2000

func describePending(t *table, p *rest.PendingApproval) {
	message, _ := hex.DecodeString(p.Message) // CheckPending has read it
	t.row("A signature is asked for.")
	t.row("account", p.AccountID+" of user "+p.UserID)
	t.row("network", p.Claims.Audience)
	if readable(message) {
		t.row("message", fmt.Sprintf("text of %d bytes: %q", len(message), cut(string(message), maxShownMessage)))
	} else {
		t.row("message", fmt.Sprintf("%d bytes, hex: %s", len(message), cut(p.Message, 2*maxShownMessage)))
	}
	if p.Hash == "" || p.Hash == "none" {
		t.row("hash", "none: the key signs the message itself. If that is a digest, only its maker knows of what")
	} else {
		t.row("hash", p.Hash)
	}
	t.row("digest", p.Claims.Digest+" (computed here)")
	t.row("approved by", fmt.Sprintf("%d of %d needed", len(p.Approved), p.Needed))
	for _, id := range slices.Sorted(slices.Values(p.Approved)) {
		t.row("", id)
	}
	t.row("expires", p.ExpiresAt)
}
