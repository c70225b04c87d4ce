package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// pemPrivateKey is the PEM label of a PKCS#8 key (RFC 7468 §10).
const pemPrivateKey = "PRIVATE KEY"

// readKey reads an Ed25519 private key, PEM PKCS#8 (RFC 8410). A missing file
// stays recognisable as fs.ErrNotExist.
func readKey(file string) (ed25519.PrivateKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, refuse(err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != pemPrivateKey {
		return nil, refusef("key file %s: no PEM block %q; restore it from the backup", file, pemPrivateKey)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, refusef("key file %s: %w; restore it from the backup", file, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, refusef("key file %s: it holds a %T; an Ed25519 key is needed", file, parsed)
	}
	return key, nil
}

// makeKey writes a fresh key to a file that must not exist.
func makeKey(file string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, writeKey(file, key)
}

func writeKey(file string, key ed25519.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return createFile(file, pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der}), 0o600)
}

// keepKey reads the key in file, or makes it when there is none yet.
func keepKey(file string) (ed25519.PrivateKey, error) {
	key, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(file)
	}
	return key, err
}
