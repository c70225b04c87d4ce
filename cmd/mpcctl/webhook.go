package main

import (
	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func webhookCommand() *cli.Command {
	return &cli.Command{
		Name: "webhook", Usage: "register webhooks and see what was delivered",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "register a webhook; its secret is shown this once", ArgsUsage: "URL",
				Flags: []cli.Flag{
					&cli.StringSliceFlag{Name: "event", Usage: "`TYPE` of event that is wanted, or session.*; repeatable"},
					&cli.StringFlag{Name: "secret-file", Usage: "`FILE` with the secret (default: the coordinator makes one)"},
				},
				Action: createWebhook,
			},
			{Name: "list", Usage: "list webhooks", Action: listWebhooks},
			{Name: "delete", Usage: "remove a webhook", ArgsUsage: "WEBHOOK", Action: deleteWebhook},
			{Name: "deliveries", Usage: "list a webhook's deliveries, newest first", ArgsUsage: "WEBHOOK", Flags: []cli.Flag{limitFlag()}, Action: listDeliveries},
		},
	}
}

func createWebhook(c *cli.Context) error {
	req := rest.CreateWebhook{URL: c.Args().First(), Events: c.StringSlice("event")}
	if file := c.String("secret-file"); file != "" {
		data, err := readSecret(file)
		if err != nil {
			return misusef("--secret-file: %w", err)
		}
		req.Secret = oneLine(string(data))
	}
	return call(c, func(api *client.Client) error {
		hook, err := api.CreateWebhook(c.Context, req)
		if err != nil {
			return err
		}
		if req.Secret != "" {
			hook.Secret = "" // the user has it
		}
		return show(c, hook, func(t *table) {
			t.row("webhook", hook.ID)
			t.row("url", hook.URL)
			t.field("events", hook.Events)
			t.field("secret", hook.Secret)
		})
	})
}

func listWebhooks(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		hooks, err := api.Webhooks(c.Context)
		if err != nil {
			return err
		}
		return show(c, rest.WebhookList{Webhooks: append([]rest.Webhook{}, hooks...)}, func(t *table) {
			t.row("WEBHOOK", "URL", "EVENTS", "CREATED")
			for _, h := range hooks {
				t.row(h.ID, h.URL, h.Events, h.CreatedAt)
			}
		})
	})
}

func deleteWebhook(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		return api.DeleteWebhook(c.Context, c.Args().First())
	})
}

func listDeliveries(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		all, err := first(c, api.Deliveries(c.Context, c.Args().First()))
		if err != nil {
			return err
		}
		return show(c, rest.DeliveryList{Deliveries: all}, func(t *table) {
			t.row("DELIVERY", "EVENT", "STATUS", "TRIES", "HTTP", "LAST TRY", "NEXT TRY", "ERROR")
			for _, d := range all {
				t.row(d.ID, d.EventType, d.Status, d.Tries, d.HTTP, d.LastTry, d.NextTry, d.Error)
			}
		})
	})
}
