package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func shareCommand() *cli.Command {
	return &cli.Command{
		Name: "share", Usage: "fetch and acknowledge users' shares; list, back up and restore those of this device",
		Subcommands: append(deviceShareCommands(), []*cli.Command{
			{
				Name: "generate", Usage: "fetch the user's share of a keygen session, completing the session if it waits for its user", ArgsUsage: "SESSION",
				Flags: []cli.Flag{shareOutFlag(), ackFlag()}, Action: generateShare,
			},
			{Name: "ack", Usage: "say that a share is stored safely: the delegate erases its copy", ArgsUsage: "SHARE", Action: ackShare},
		}...),
	}
}

func shareOutFlag() cli.Flag {
	return &cli.StringFlag{Name: "share-out", Usage: "new `FILE` for the user's share, in the clear: keep it as the secret that it is"}
}

func ackFlag() cli.Flag {
	return &cli.BoolFlag{Name: "ack", Usage: "once the share is in its file, have the delegate erase its copy"}
}

// recipientSuffix names the file beside a share's with the key that the share is
// sealed to. It exists until the share is stored: the delegate seals to the first
// key it was given, and to no other.
const recipientSuffix = ".recipient"

// keepRecipient returns the key pair of an earlier try, or makes one.
func keepRecipient(file string) (*client.Recipient, error) {
	if _, err := os.Stat(file); err == nil {
		return nil, misusef("%s exists already and is not overwritten", file)
	}
	data, err := readSecret(file + recipientSuffix)
	if err == nil {
		return client.ParseRecipient(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, misusef("%w", err)
	}
	r, err := client.NewRecipient()
	if err != nil {
		return nil, err
	}
	return r, writeSecret(file+recipientSuffix, r.Private())
}

// createWithShare makes an account and stores the user's share of it.
func createWithShare(c *cli.Context, api *client.Client, req rest.CreateAccount, file string) error {
	r, err := keepRecipient(file)
	if err != nil {
		return err
	}
	req.RecipientKey = r.PublicKey()
	a, err := api.CreateAccount(c.Context, req)
	if err != nil {
		return err
	}
	if a.UserShare == nil {
		return fmt.Errorf("account %s was made, and its share did not come with it: mpcctl share generate %s fetches it", a.ID, a.KeygenSessionID)
	}
	if err := storeShare(c, api, r, a.UserShare, file); err != nil {
		return err
	}
	a.UserShare = nil // it is in its file
	return printAccount(c, a)
}

func generateShare(c *cli.Context) error {
	file := c.String("share-out")
	if file == "" {
		return misusef("--share-out is missing: it names the file for the share")
	}
	r, err := keepRecipient(file)
	if err != nil {
		return err
	}
	return call(c, func(api *client.Client) error {
		share, err := api.GenerateShare(c.Context, rest.GenerateShare{SessionID: c.Args().First(), RecipientKey: r.PublicKey()})
		if err != nil {
			return err
		}
		if err := storeShare(c, api, r, share, file); err != nil {
			return err
		}
		share.Share = "" // it is in its file
		return show(c, share, func(t *table) {
			t.row("share", share.ID)
			t.row("account", share.AccountID)
			t.row("public key", share.PublicKey)
			t.row("stored in", file)
		})
	})
}

// storeShare opens a share, checks it, and stores it before anybody is told to
// erase another copy.
func storeShare(c *cli.Context, api *client.Client, r *client.Recipient, s *rest.UserShare, file string) error {
	key, err := api.Key(c.Context, s.AccountID)
	if err != nil {
		return err
	}
	share, err := client.OpenShare(key, r, s.Share)
	if err != nil {
		return err
	}
	if err := writeSecret(file, []byte(share.Text()+"\n")); err != nil {
		return err
	}
	if err := os.Remove(file + recipientSuffix); err != nil {
		return fmt.Errorf("the share is stored; remove the key it was sealed to: %w", err)
	}
	if !c.Bool("ack") {
		return nil
	}
	if _, err := api.AckShare(c.Context, s.ID); err != nil {
		return fmt.Errorf("the share is stored, and acknowledging it failed: mpcctl share ack %s tries again: %w", s.ID, err)
	}
	return nil
}

func ackShare(c *cli.Context) error {
	return call(c, func(api *client.Client) error {
		ack, err := api.AckShare(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		return show(c, ack, func(t *table) {
			t.row("share", ack.ID)
			t.row("erased at the delegate", ack.Erased)
		})
	})
}

// readShare reads a share that was stored.
func readShare(file string) (*client.UserShare, error) {
	data, err := readSecret(file)
	if err != nil {
		return nil, misusef("user's share: %w", err)
	}
	share, err := client.ParseUserShare(strings.TrimSpace(string(data)))
	if err != nil {
		return nil, misusef("%s: %w", file, err)
	}
	return share, nil
}
