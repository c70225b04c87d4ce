package main

import (
	"encoding/hex"
	"errors"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

func signCommand() *cli.Command {
	return &cli.Command{
		Name: "sign", Usage: "sign with an account, and verify the signature", ArgsUsage: "ACCOUNT",
		Flags: append(messageFlags(),
			&cli.StringFlag{Name: "user-share-file", Usage: "`FILE` with the user's share, for an account of custody hybrid"},
			&cli.StringSliceFlag{Name: "approval", Usage: "`JWS` of an approver; repeatable; needs --request-id"},
			&cli.StringFlag{Name: "request-id", Usage: "`UUID` that becomes the session's id and that approvals name"},
			&cli.StringFlag{Name: "form", Usage: "print only this `FORM` of the signature: compact, base64, der, rsv"},
			&cli.BoolFlag{Name: "async", Usage: "do not wait: print the session"},
		),
		Action: sign,
	}
}

// messageFlags say what is, or was, to be signed.
func messageFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "digest", Usage: "`HEX` of a digest, signed as it is"},
		&cli.StringFlag{Name: "file", Usage: "`FILE` whose content is the message; -: what is piped in"},
		&cli.StringFlag{Name: "text", Usage: "`TEXT` that is the message"},
		&cli.StringFlag{Name: "hash", Usage: "`HASH` of the message that is signed: " + strings.Join(chain.Hashes(), ", ")},
	}
}

// message returns what is to be signed, and the hash.
func message(c *cli.Context) (data []byte, hash string, err error) {
	hash, given := c.String("hash"), 0
	for _, name := range []string{"digest", "file", "text"} {
		if c.IsSet(name) {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, "", misusef("give one of --digest, --file and --text")
	case c.IsSet("digest") && hash != "" && hash != chain.None:
		return nil, "", misusef("--digest is signed as it is: leave --hash out")
	case c.IsSet("digest"):
		data, err = chain.Decode(chain.Hex, strings.TrimSpace(c.String("digest")))
	case c.IsSet("text"):
		data = []byte(c.String("text"))
	default:
		data, err = readInput(c, c.String("file"))
	}
	if err == nil && len(data) == 0 {
		err = errors.New("there is nothing to sign")
	}
	if err == nil {
		_, err = client.Digest(hash, data)
	}
	if err != nil {
		return nil, "", misusef("%w", err)
	}
	return data, hash, nil
}

func sign(c *cli.Context) error {
	req := client.SignRequest{Account: c.Args().First(), Approvals: c.StringSlice("approval"), RequestID: c.String("request-id")}
	var err error
	if req.Message, req.Hash, err = message(c); err != nil {
		return err
	}
	if _, err := signatureForm(&rest.Signature{}, c.String("form")); err != nil {
		return err
	}
	if file := c.String("user-share-file"); file != "" {
		if req.UserShare, err = readShare(file); err != nil {
			return err
		}
	}
	return call(c, func(api *client.Client) error {
		key, err := api.Key(c.Context, req.Account)
		if err != nil {
			return err
		}
		if err := fits(key, req); err != nil {
			return err
		}
		return signWith(c, api, req)
	})
}

// fits refuses early what an ECDSA key cannot sign.
func fits(key *client.Key, req client.SignRequest) error {
	digest, err := client.Digest(req.Hash, req.Message)
	if err != nil {
		return misusef("%w", err)
	}
	if key.Scheme == protocol.ECDSA && len(digest) != protocol.DigestSize {
		return misusef("an ECDSA key signs a digest of %d bytes, not %d: say with --hash which hash of the message it is, such as keccak256 (Ethereum), eip191 (an Ethereum message) or sha256",
			protocol.DigestSize, len(digest))
	}
	return nil
}

func signWith(c *cli.Context, api *client.Client, req client.SignRequest) error {
	if c.Bool("async") {
		s, err := api.StartSign(c.Context, req)
		if err != nil {
			return err
		}
		return printSession(c, api, s)
	}
	result, err := api.Sign(c.Context, req)
	if waits := (*client.PendingError)(nil); errors.As(err, &waits) {
		return printSession(c, api, waits.Session)
	}
	if err != nil {
		return err
	}
	return printResult(c, result)
}

func printResult(c *cli.Context, r *rest.SignResult) error {
	if form := c.String("form"); form != "" {
		text, err := signatureForm(&r.Signature, form)
		if err != nil {
			return err
		}
		return show(c, text, func(t *table) { t.row(text) })
	}
	return show(c, r, func(t *table) {
		t.row("session", r.SessionID)
		t.row("account", r.AccountID)
		t.row("public key", r.PublicKey)
		t.row("hash", r.Hash)
		t.row("digest", cut(r.Digest, 128))
		printSignature(t, &r.Signature)
		t.row("verified", "under the account's certified key")
	})
}

func printSignature(t *table, s *rest.Signature) {
	t.row("signature", s.Compact)
	t.row("base64", s.Base64)
	t.field("DER", s.DER)
	t.field("r, s, v", s.RSV)
	if s.V != nil {
		t.row("v", *s.V)
	}
	if s.VEthereum != nil {
		t.row("v (Ethereum)", *s.VEthereum)
	}
}

func signatureForm(s *rest.Signature, form string) (string, error) {
	switch form {
	case "", "compact":
		return s.Compact, nil
	case "base64":
		return s.Base64, nil
	case "der":
		return s.DER, nil
	case "rsv":
		return s.RSV, nil
	}
	return "", misusef("--form %q: use compact, base64, der or rsv", form)
}

// decodeHex reads what another command has printed.
func decodeHex(name, text string) ([]byte, error) {
	data, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), "0x"))
	if err != nil {
		return nil, misusef("%s is not hexadecimal", name)
	}
	return data, nil
}
