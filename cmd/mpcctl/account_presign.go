package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

// presignTTLFlag says how long presignatures are kept.
func presignTTLFlag(name string) cli.Flag {
	return &cli.DurationFlag{Name: name, Usage: "drop a presignature that was not used for so long, 1m to 24h (default: 1h)"}
}

func presignCommand() *cli.Command {
	return &cli.Command{
		Name: "presign", Usage: "say how many presignatures an account keeps: with one, signing takes milliseconds",
		Subcommands: []*cli.Command{
			{Name: "show", Usage: "show them", ArgsUsage: "ACCOUNT", Action: func(c *cli.Context) error {
				return printPresigning(c, func(api *client.Client) (*rest.Presigning, error) {
					return api.Presigning(c.Context, c.Args().First())
				})
			}},
			{Name: "set", Usage: "keep so many; 0: none", ArgsUsage: "ACCOUNT COUNT", Flags: []cli.Flag{presignTTLFlag("ttl")}, Action: setPresign},
			{Name: "clear", Usage: "let the coordinator's default hold: a few while the account is in use", ArgsUsage: "ACCOUNT", Action: func(c *cli.Context) error {
				return printPresigning(c, func(api *client.Client) (*rest.Presigning, error) {
					return api.ClearPresign(c.Context, c.Args().First())
				})
			}},
		},
	}
}

func setPresign(c *cli.Context) error {
	target, err := strconv.Atoi(c.Args().Get(1))
	if err != nil {
		return misusef("%q is no number of presignatures", c.Args().Get(1))
	}
	p, err := presign(target, c.Duration("ttl"))
	if err != nil {
		return err
	}
	return printPresigning(c, func(api *client.Client) (*rest.Presigning, error) {
		return api.SetPresign(c.Context, c.Args().First(), *p)
	})
}

// presign is a setting as the API has it: whole seconds.
func presign(target int, ttl time.Duration) (*rest.Presign, error) {
	if ttl%time.Second != 0 || ttl != 0 && ttl < time.Minute || ttl > 24*time.Hour {
		return nil, misusef("presignatures are kept for 1m to 24h, in whole seconds, not for %v", ttl)
	}
	if target < 0 {
		return nil, misusef("%d presignatures: give 0 or more", target)
	}
	return &rest.Presign{Target: target, TTL: int(ttl / time.Second)}, nil
}

func printPresigning(c *cli.Context, get func(*client.Client) (*rest.Presigning, error)) error {
	return call(c, func(api *client.Client) error {
		p, err := get(api)
		if err != nil {
			return err
		}
		return show(c, p, func(t *table) {
			t.row("presignatures", presigningText(p))
		})
	})
}

// presigningText says in a line what an account has and keeps.
func presigningText(p *rest.Presigning) string {
	text := fmt.Sprintf("%d wait, %d are kept for %v", p.Stock, p.Target, time.Duration(p.TTL)*time.Second)
	if !p.Set {
		text += " while the account is in use (the coordinator's default)"
	}
	return text
}
