package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

func certificateCommand() *cli.Command {
	return &cli.Command{
		Name: "certificate", Usage: "check key certificates, offline",
		Subcommands: []*cli.Command{{
			Name: "verify", Usage: "check the signatures of all members, and that the key is what it should be",
			ArgsUsage: "FILE",
			Description: "FILE is an account as account show --json prints it, or its certificate alone: as JSON, as base64 or in CBOR; \"-\" is stdin.\n" +
				"Of an account also everything is checked that it says of its key. --network and --trusted-party say what keys must be of.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "scheme", Usage: "`SCHEME` that the key must be of"},
				&cli.StringFlag{Name: "threshold", Usage: "`T-of-N` that the key must have"},
				&cli.StringSliceFlag{Name: "party", Usage: "`PEER-ID` of a node that must hold a share; repeatable"},
				&cli.StringSliceFlag{Name: "approver", Usage: "public `KEY` of who must approve signatures: a PEM file, or base64; repeatable, in the order in which the account was made with"},
				&cli.IntFlag{Name: "approvals", Usage: "approvals that are needed of the approvers (default: all)"},
			},
			Action: verifyCertificate,
		}},
	}
}

// certified is what certificate verify prints.
type certified struct {
	Network   string         `json:"network"`
	Account   string         `json:"account_id"`
	Key       string         `json:"keygen_session_id"`
	Epoch     uint32         `json:"epoch"`
	Scheme    string         `json:"scheme"`
	Threshold string         `json:"threshold"`
	Roster    []member       `json:"roster"`
	Approvers string         `json:"approvers"` // hex, see protocol.Approvers
	PublicKey string         `json:"public_key"`
	Addresses rest.Addresses `json:"addresses"`
}

type member struct {
	PeerID string `json:"peer_id"`
	Role   string `json:"role"`
}

func verifyCertificate(c *cli.Context) error {
	w, err := wanted(c)
	if err != nil {
		return err
	}
	f, err := configure(c)
	if err != nil {
		return err
	}
	key, err := readKey(c, c.Args().First())
	if err != nil {
		return err
	}
	if err := f.trust(c).Check(key); err != nil {
		return err
	}
	if err := w.Check(key); err != nil {
		return err
	}
	addresses, err := chain.AddressesOf(key.Scheme, key.PublicKey)
	if err != nil {
		return err
	}
	v := certified{
		Network: key.Network, Account: key.Account, Key: key.Session, Epoch: key.Epoch, Scheme: string(key.Scheme),
		Threshold: key.Threshold.String(), Approvers: hex.EncodeToString(key.Approvers[:]),
		PublicKey: hex.EncodeToString(key.PublicKey), Addresses: rest.Addresses(addresses),
	}
	for _, m := range key.Roster {
		v.Roster = append(v.Roster, member{m.Peer, string(m.Role)})
	}
	return printCertified(c, &v, w.Approvers != nil)
}

func printCertified(c *cli.Context, v *certified, approvers bool) error {
	return show(c, v, func(t *table) {
		t.row("certificate", "good: signed by all members")
		t.row("network", v.Network)
		t.row("account", v.Account)
		t.row("keygen session", v.Key)
		t.row("epoch", v.Epoch)
		t.row("scheme", v.Scheme)
		t.row("threshold", v.Threshold)
		for _, m := range v.Roster {
			t.row("member", m.PeerID+"  "+m.Role)
		}
		if approvers {
			t.row("approvers", v.Approvers+"  the ones that were named")
		} else {
			t.row("approvers", v.Approvers)
		}
		t.row("public key", v.PublicKey)
		printAddresses(t, &v.Addresses)
	})
}

// wanted reads what the flags say that the key must be.
func wanted(c *cli.Context) (w client.Wanted, err error) {
	w.Scheme, w.Parties = c.String("scheme"), c.StringSlice("party")
	for _, p := range w.Parties {
		if _, err := protocol.PeerKey(p); err != nil {
			return w, misusef("--party %q: it is no peer id: the account lists those of its parties", p)
		}
	}
	if w.Scheme != "" {
		if _, err := protocol.ParseScheme(w.Scheme); err != nil {
			return w, misusef("--scheme: %w", err)
		}
	}
	if text := c.String("threshold"); text != "" {
		if w.Threshold, err = protocol.ParseThreshold(text); err != nil {
			return w, misusef("--threshold: %w", err)
		}
	}
	w.Approvers, err = approvers(c.StringSlice("approver"), c.Int("approvals"))
	return w, err
}

// readKey reads and verifies a certificate, or an account with one.
func readKey(c *cli.Context, file string) (*client.Key, error) {
	data, err := readInput(c, file)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return client.VerifyCertificate(unwrap(data))
	}
	var form struct {
		Encoded  *string         `json:"encoded"`
		Approval *rest.Approval  `json:"approval"`
		Content  json.RawMessage `json:"certificate"`
	}
	if err := json.Unmarshal(data, &form); err != nil {
		return nil, misusef("%s is not JSON: %w", file, err)
	}
	switch { // an account first: more is checked of it, whatever else the file has
	case form.Approval != nil || form.Content != nil:
		return readJSONKey(file, data, client.VerifyAccount)
	case form.Encoded != nil:
		return readJSONKey(file, data, client.VerifyCertificateView)
	}
	return nil, misusef("%s is neither an account nor a key certificate: account show --json prints one", file)
}

func readJSONKey[T any](file string, data []byte, verify func(*T) (*client.Key, error)) (*client.Key, error) {
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, misusef("%s is not what --json prints: %w", file, err)
	}
	return verify(v)
}

// unwrap returns what is written in base64, also as a JSON string; anything else
// is taken for the certificate itself.
func unwrap(data []byte) []byte {
	text := bytes.Trim(bytes.Join(bytes.Fields(data), nil), `"`)
	if raw, err := base64.StdEncoding.AppendDecode(nil, text); err == nil && len(raw) > 0 {
		return raw
	}
	return data
}
