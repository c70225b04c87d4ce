package main

import (
	"iter"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func accountCommand() *cli.Command {
	return &cli.Command{
		Name: "account", Usage: "make and show accounts",
		Subcommands: []*cli.Command{
			accountCreateCommand(),
			{
				Name: "list", Usage: "list accounts, newest first",
				Flags:  []cli.Flag{limitFlag(), &cli.StringFlag{Name: "user", Usage: "only accounts of this `OWNER`"}},
				Action: listAccounts,
			},
			{Name: "show", Usage: "show an account and verify its key certificate", ArgsUsage: "ACCOUNT", Action: showAccount},
			signingPartiesCommand(),
			presignCommand(),
		},
	}
}

func limitFlag() cli.Flag {
	return &cli.IntFlag{Name: "limit", Value: 50, Usage: "show at most `N`; 0: all"}
}

// first collects at most as many entries as --limit says.
func first[T any](c *cli.Context, list iter.Seq2[T, error]) ([]T, error) {
	limit, all := c.Int("limit"), []T{}
	if limit < 0 {
		return nil, misusef("--limit is not negative")
	}
	for v, err := range list {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		if len(all) == limit {
			break
		}
	}
	return all, nil
}

func listAccounts(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		accounts, err := first(c, api.Accounts(c.Context, c.String("user")))
		if err != nil {
			return err
		}
		return show(c, rest.AccountList{Accounts: accounts}, func(t *table) {
			t.row("ACCOUNT", "USER", "SCHEME", "THRESHOLD", "CUSTODY", "STATUS", "CREATED")
			for _, a := range accounts {
				t.row(a.ID, a.UserID, a.Scheme, threshold(a.ThresholdT, a.ThresholdN), a.Custody, a.Status, a.CreatedAt)
			}
		})
	})
}

func showAccount(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		a, err := api.Account(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		return printAccount(c, a)
	})
}

func printAccount(c *cli.Context, a *rest.Account) error {
	return show(c, a, func(t *table) {
		t.row("account", a.ID)
		t.row("user", a.UserID)
		t.row("scheme", a.Scheme)
		t.row("threshold", threshold(a.ThresholdT, a.ThresholdN))
		t.field("custody", a.Custody)
		t.row("status", a.Status)
		if a.Error != nil {
			t.row("error", explainProblem(a.Error))
		}
		t.field("public key", a.PublicKey)
		printAddresses(t, a.Addresses)
		t.row("keygen session", a.KeygenSessionID)
		t.field("parties", names(a.Parties))
		t.field("signing parties", names(a.SigningParties))
		if a.Presign != nil {
			t.row("presignatures", presigningText(a.Presign))
		}
		t.row("approved by", approvalText(&a.Approval))
		for name, value := range sorted(a.Labels) {
			t.row("label", name+"="+value)
		}
		t.field("created", a.CreatedAt)
		if a.Certificate != nil {
			t.row("certificate", "verified: signed by all members")
		}
	})
}

func printAddresses(t *table, a *rest.Addresses) {
	if a == nil {
		return
	}
	t.field("Ethereum", a.Ethereum)
	t.field("Bitcoin", a.Bitcoin)
	t.field("Bitcoin testnet", a.BitcoinTestnet)
	t.field("Solana", a.Solana)
}

func names(parties []rest.PartyName) string {
	var all []string
	for _, p := range parties {
		name := nameOr(p.Name, p.PeerID)
		if p.Role != "" && p.Role != "persistent" {
			name += " (" + p.Role + ")"
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

func signingPartiesCommand() *cli.Command {
	return &cli.Command{
		Name: "signing-parties", Usage: "fix which parties sign for an account",
		Subcommands: []*cli.Command{
			{Name: "get", Usage: "show them", ArgsUsage: "ACCOUNT", Action: func(c *cli.Context) error {
				return printSigningParties(c, func(api *client.Client) (*rest.SigningPartyList, error) {
					return api.SigningParties(c.Context, c.Args().First())
				})
			}},
			{Name: "set", Usage: "fix them, by name or peer id", ArgsUsage: "ACCOUNT PARTY...", Action: func(c *cli.Context) error {
				return printSigningParties(c, func(api *client.Client) (*rest.SigningPartyList, error) {
					return api.SetSigningParties(c.Context, c.Args().First(), c.Args().Tail()...)
				})
			}},
			{Name: "clear", Usage: "let them be chosen for each session", ArgsUsage: "ACCOUNT", Action: func(c *cli.Context) error {
				return printSigningParties(c, func(api *client.Client) (*rest.SigningPartyList, error) {
					return api.ClearSigningParties(c.Context, c.Args().First())
				})
			}},
		},
	}
}

func printSigningParties(c *cli.Context, get func(*client.Client) (*rest.SigningPartyList, error)) error {
	return call(c, func(api *client.Client) error {
		list, err := get(api)
		if err != nil {
			return err
		}
		return show(c, list, func(t *table) {
			how := "chosen for each session, of"
			if list.Fixed {
				how = "fixed"
			}
			t.row(how, names(list.Parties))
		})
	})
}
