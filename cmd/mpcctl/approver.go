package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/protocol"
)

// PEM labels (RFC 7468 §10 and §13).
const (
	pemPrivateKey = "PRIVATE KEY"
	pemPublicKey  = "PUBLIC KEY"
)

func keygenApproverCommand() *cli.Command {
	return &cli.Command{
		Name: "keygen-approver", Usage: "make an approver's key pair",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "out", Usage: "new `FILE` for the private key; the public key goes to FILE.pub"},
			&cli.StringFlag{Name: "type", Value: "ed25519", Usage: "ed25519 or p256"},
		},
		Action: keygenApprover,
	}
}

// approverKey is what keygen-approver prints.
type approverKey struct {
	ID        string `json:"id"`         // hex SHA-256 of the SubjectPublicKeyInfo
	PublicKey string `json:"public_key"` // base64 DER
	File      string `json:"file"`
}

func keygenApprover(c *cli.Context) error {
	file := c.String("out")
	if file == "" {
		return misusef("--out is missing: it names the file for the private key")
	}
	key, err := newApprover(c.String("type"))
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	public, err := protocol.ApproverKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	if err := writeSecret(file, pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: private})); err != nil {
		return err
	}
	if err := writeSecret(file+".pub", pem.EncodeToMemory(&pem.Block{Type: pemPublicKey, Bytes: public})); err != nil {
		return err
	}
	made := approverKey{ID: protocol.ApproverID(public), PublicKey: base64.StdEncoding.EncodeToString(public), File: file}
	return show(c, made, func(t *table) {
		t.row("key id", made.ID)
		t.row("public key", made.PublicKey)
		t.row("private key", "in "+file+": back it up, nobody else has it")
	})
}

func newApprover(kind string) (crypto.Signer, error) {
	switch kind {
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return nil, misusef("--type %q: use ed25519 or p256", kind)
}

// readApprover reads a private key.
func readApprover(file string) (crypto.Signer, error) {
	data, err := readSecret(file)
	if err != nil {
		return nil, misusef("approver's key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemPrivateKey {
		return nil, misusef("approver's key %s: it has no PEM block %q", file, pemPrivateKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, misusef("approver's key %s: it is no PKCS#8 key", file)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, misusef("approver's key %s: it is a %T; use Ed25519 or P-256", file, parsed)
	}
	if _, err := protocol.ApproverKey(key.Public()); err != nil {
		return nil, misusef("approver's key %s: %w", file, err)
	}
	return key, nil
}
