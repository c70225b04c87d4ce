package main

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

func accountCreateCommand() *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "make an account: the parties generate a key that exists only as shares", ArgsUsage: "USER",
		Flags: append(keyFlags(),
			&cli.BoolFlag{Name: "user-share", Usage: "one of the shares is the user's: it is written to --share-out"},
			shareOutFlag(), ackFlag(),
			&cli.IntFlag{Name: "presign", Usage: "keep `COUNT` presignatures: with one, signing takes milliseconds (default: the coordinator's)"},
			presignTTLFlag("presign-ttl"),
			&cli.BoolFlag{Name: "async", Usage: "do not wait: print the session"},
		),
		Action: createAccount,
	}
}

// keyFlags describe a key that is to be made.
func keyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "scheme", Usage: "`SCHEME` ecdsa-secp256k1 (default) or eddsa-ed25519"},
		&cli.StringFlag{Name: "threshold", Usage: "`T-of-N`: signers needed, of how many holders of shares (default: 2-of-3)"},
		&cli.StringSliceFlag{Name: "party", Usage: "name or peer id of a `PARTY` that is to hold a share; repeatable; none: the coordinator chooses"},
		&cli.StringSliceFlag{Name: "label", Usage: "`NAME=VALUE` that is kept with the account; repeatable"},
		&cli.StringSliceFlag{Name: "approver", Usage: "public `KEY` of who must approve signatures: a PEM file, or base64; repeatable"},
		&cli.IntFlag{Name: "approvals", Usage: "approvals that are needed of the approvers (default: all)"},
	}
}

func createAccount(c *cli.Context) error {
	req := rest.CreateAccount{UserID: c.Args().First(), UserShare: c.Bool("user-share")}
	var err error
	if err = readKeyFlags(c, &req); err != nil {
		return err
	}
	if c.IsSet("presign") {
		if req.Presign, err = presign(c.Int("presign"), c.Duration("presign-ttl")); err != nil {
			return err
		}
	} else if c.IsSet("presign-ttl") {
		return misusef("--presign-ttl needs --presign")
	}
	out := c.String("share-out")
	switch {
	case req.UserShare != (out != ""):
		return misusef("--user-share and --share-out go together")
	case req.UserShare && c.Bool("async"):
		return misusef("--user-share needs the answer: leave --async out")
	}
	return call(c, func(api *client.Client) error {
		if c.Bool("async") {
			s, err := api.StartAccount(c.Context, req)
			if err != nil {
				return err
			}
			return printSession(c, api, s)
		}
		if req.UserShare {
			return createWithShare(c, api, req, out)
		}
		a, err := makeAccount(c, api, req)
		if err != nil {
			return err
		}
		return printAccount(c, a)
	})
}

// makeAccount waits for the key, and shows a person how far it is.
func makeAccount(c *cli.Context, api *client.Client, req rest.CreateAccount) (*rest.Account, error) {
	if wantsJSON(c) || !isTerminal(c.App.ErrWriter) {
		return api.CreateAccount(c.Context, req)
	}
	s, err := api.StartAccount(c.Context, req)
	if err != nil {
		return nil, err
	}
	if err := follow(c, api, s.ID, newWatcher(c, c.App.ErrWriter)); err != nil {
		return nil, err
	}
	return api.AwaitAccount(c.Context, s.ID, req)
}

// readKeyFlags reads what describes the key.
func readKeyFlags(c *cli.Context, req *rest.CreateAccount) (err error) {
	req.Scheme, req.Parties = c.String("scheme"), c.StringSlice("party")
	if text := c.String("threshold"); text != "" {
		t, err := protocol.ParseThreshold(text)
		if err != nil {
			return misusef("--threshold: %w", err)
		}
		req.Threshold = &rest.Threshold{T: t.T, N: t.N}
	}
	if req.Labels, err = labels(c.StringSlice("label")); err != nil {
		return err
	}
	req.Approvers, err = approvers(c.StringSlice("approver"), c.Int("approvals"))
	return err
}

func labels(list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	m := make(map[string]string)
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, misusef("--label %q: write it as NAME=VALUE", text)
		}
		m[name] = value
	}
	return m, nil
}

// approvers reads public keys, each the name of a PEM file or itself in base64.
func approvers(list []string, m int) (*rest.Approvers, error) {
	if len(list) == 0 {
		if m != 0 {
			return nil, misusef("--approvals needs --approver")
		}
		return nil, nil
	}
	if m == 0 {
		m = len(list)
	}
	if m < 0 || m > len(list) {
		return nil, misusef("--approvals: %d of %d approvers is not possible", m, len(list))
	}
	a := &rest.Approvers{M: m}
	for _, text := range list {
		key, err := publicKey(text)
		if err != nil {
			return nil, misusef("--approver %q: %w", text, err)
		}
		a.Keys = append(a.Keys, key)
	}
	return a, nil
}

func publicKey(text string) (string, error) {
	data, err := os.ReadFile(text)
	if errors.Is(err, fs.ErrNotExist) || err != nil && len(text) > 200 { // a key can be too long for a file's name
		if der, err := base64.StdEncoding.DecodeString(text); err == nil && len(der) > 0 {
			return text, nil
		}
		return "", errors.New("there is no such file, and it is no key in base64")
	}
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(data)
	switch {
	case block == nil:
		return "", errors.New("it has no PEM block")
	case block.Type == pemPrivateKey:
		return "", errors.New("it is a private key: give the public key that keygen-approver has printed")
	}
	return base64.StdEncoding.EncodeToString(block.Bytes), nil
}
