package main

import (
	"encoding/hex"
	"encoding/json"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
)

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "check an account's key certificate, and a signature, offline",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "account", Usage: "`FILE` with the account, as account show --json has printed it"},
			&cli.StringFlag{Name: "result", Usage: "`FILE` with a signature, as sign --json has printed it"},
			&cli.StringFlag{Name: "signature", Usage: "`HEX` of a signature of 64 bytes"},
		}, messageFlags()...),
		Action: verify,
	}
}

// verified is what verify prints.
type verified struct {
	Account   string `json:"account_id"`
	Network   string `json:"network"`
	PublicKey string `json:"public_key"`
	Threshold string `json:"threshold"`
	Signature bool   `json:"signature"` // whether one was checked
}

func verify(c *cli.Context) error {
	if c.String("account") == "" {
		return misusef("--account is missing: it names the file with the account")
	}
	if c.IsSet("result") && c.IsSet("signature") {
		return misusef("give one of --result and --signature")
	}
	a, err := readJSON[rest.Account](c, c.String("account"))
	if err != nil {
		return err
	}
	f, err := configure(c)
	if err != nil {
		return err
	}
	key, err := client.VerifyAccount(a)
	if err != nil {
		return err
	}
	if err := f.trust(c).Check(key); err != nil {
		return err
	}
	v := verified{Account: key.Account, Network: key.Network, PublicKey: hex.EncodeToString(key.PublicKey), Threshold: key.Threshold.String()}
	if v.Signature, err = verifySignature(c, key); err != nil {
		return err
	}
	return show(c, v, func(t *table) {
		t.row("certificate", "good: signed by all members")
		t.row("network", v.Network)
		t.row("account", v.Account)
		t.row("public key", v.PublicKey)
		t.row("threshold", v.Threshold)
		if v.Signature {
			t.row("signature", "good: by this key, of this message")
		}
	})
}

// verifySignature checks the signature that the flags name, if they name one.
func verifySignature(c *cli.Context, key *client.Key) (bool, error) {
	switch {
	case c.IsSet("signature"):
		data, hash, err := message(c)
		if err != nil {
			return false, err
		}
		sig, err := decodeHex("--signature", c.String("signature"))
		if err != nil {
			return false, err
		}
		return true, key.Verify(data, hash, sig)
	case c.IsSet("result"):
		r, err := readJSON[rest.SignResult](c, c.String("result"))
		if err != nil {
			return false, err
		}
		data, err := decodeHex("the result's message", r.Message)
		if err != nil {
			return false, err
		}
		hash := r.Hash
		if c.IsSet("digest") || c.IsSet("file") || c.IsSet("text") { // of the user's own, not what the result says
			if data, hash, err = message(c); err != nil {
				return false, err
			}
		}
		return true, key.VerifyResult(r, data, hash)
	}
	return false, nil
}

// readJSON reads what another command has printed with --json.
func readJSON[T any](c *cli.Context, file string) (*T, error) {
	data, err := readInput(c, file)
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, misusef("%s is not what --json prints: %w", file, err)
	}
	return v, nil
}
