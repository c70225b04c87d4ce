package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func partiesCommand() *cli.Command {
	return &cli.Command{Name: "parties", Usage: "show the parties of the pool", Action: listParties}
}

func listParties(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		parties, err := api.Parties(c.Context)
		if err != nil {
			return err
		}
		return show(c, rest.PartyList{Parties: parties}, func(t *table) {
			t.row("PARTY", "STATE", "SESSIONS", "KEYS", "STOCK", "HELD", "CLOCK", "SOFTWARE", "PEER ID")
			for _, p := range parties {
				t.row(p.Name, p.State, p.Sessions, p.Keys, p.Stock, p.Presignatures, skew(p.ClockSkewMS), p.Software, p.PeerID)
			}
		})
	})
}

func auditCommand() *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "show who did what, newest first",
		Flags: []cli.Flag{
			limitFlag(),
			&cli.StringFlag{Name: "actor", Usage: "only what the API key with this `ID` did"},
			&cli.StringFlag{Name: "account", Usage: "only what concerns this `ACCOUNT`"},
			&cli.StringFlag{Name: "type", Usage: "only events of this `TYPE`"},
		},
		Action: listAudit,
	}
}

func listAudit(c *cli.Context) error {
	filter := client.AuditFilter{Actor: c.String("actor"), AccountID: c.String("account"), Type: c.String("type")}
	return call(c, func(api *client.Client) error {
		entries, err := first(c, api.Audit(c.Context, filter))
		if err != nil {
			return err
		}
		return show(c, rest.AuditList{Entries: entries}, func(t *table) {
			t.row("TIME", "EVENT", "COUNT", "KEY", "FROM", "CONCERNS", "DETAIL")
			for _, e := range entries {
				actor := rest.Actor{}
				if e.Actor != nil {
					actor = *e.Actor
				}
				t.row(e.Time, e.Type, max(1, e.Count), nameOr(actor.KeyName, actor.Key), actor.Client, concerned(&e), strings.TrimSpace(e.Code+" "+e.Detail))
			}
		})
	})
}

// concerned names the thing that an entry is about, as closely as it can.
func concerned(e *rest.AuditEntry) string {
	ids := []string{e.Resource, e.SessionID, e.AccountID}
	if strings.HasPrefix(e.Type, "account.") {
		ids = []string{e.AccountID, e.Resource, e.SessionID}
	}
	for _, id := range ids {
		if id != "" {
			return id
		}
	}
	return "-"
}
