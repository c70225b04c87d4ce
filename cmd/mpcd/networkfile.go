package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// networkVersion is the version of the network file's format.
const networkVersion = 1

// networkName is what may stand in a protocol id and in a topic.
var networkName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// networkFile is the public description of a network, the same at every node.
type networkFile struct {
	Name      string
	Authority ed25519.PublicKey // its signature admits nodes
	Approver  []byte            // SubjectPublicKeyInfo in DER: the default approver of keys

	// PlainUserShares lets users sign with a share that is not sealed to the delegate.
	PlainUserShares bool
}

// networkYAML is the file's form; keys are SubjectPublicKeyInfo in base64.
type networkYAML struct {
	Version   int    `yaml:"version"`
	Name      string `yaml:"name"`
	Authority string `yaml:"authority_key"`
	Approver  string `yaml:"approver_key"`

	PlainUserShares bool `yaml:"plain_user_shares,omitempty"`
}

func checkNetworkName(name string) error {
	if !networkName.MatchString(name) {
		return refusef("network name %q: use 1 to 32 lower-case letters, digits and inner hyphens", name)
	}
	return nil
}

func (n networkFile) encode() ([]byte, error) {
	authority, err := x509.MarshalPKIXPublicKey(n.Authority)
	if err != nil {
		return nil, fmt.Errorf("encode network: %w", err)
	}
	return yaml.Marshal(networkYAML{
		Version: networkVersion, Name: n.Name,
		Authority: base64.StdEncoding.EncodeToString(authority),
		Approver:  base64.StdEncoding.EncodeToString(n.Approver),

		PlainUserShares: n.PlainUserShares,
	})
}

func readNetwork(file string) (networkFile, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return networkFile{}, refusef("network file %s does not exist: copy it from the network's folder, or admit this node with mpcd network admit", file)
	}
	if err != nil {
		return networkFile{}, refuse(err)
	}
	n, err := decodeNetwork(data)
	if err != nil {
		return networkFile{}, refusef("network file %s: %w", file, err)
	}
	return n, nil
}

func decodeNetwork(data []byte) (networkFile, error) {
	var y networkYAML
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&y); err != nil {
		return networkFile{}, err
	}
	if y.Version != networkVersion {
		return networkFile{}, fmt.Errorf("version %d; this program knows version %d", y.Version, networkVersion)
	}
	if err := checkNetworkName(y.Name); err != nil {
		return networkFile{}, err
	}
	authority, _, err := publicKey(y.Authority)
	if err != nil {
		return networkFile{}, fmt.Errorf("authority_key: %w", err)
	}
	_, approver, err := publicKey(y.Approver)
	if err != nil {
		return networkFile{}, fmt.Errorf("approver_key: %w", err)
	}
	return networkFile{Name: y.Name, Authority: authority, Approver: approver, PlainUserShares: y.PlainUserShares}, nil
}

// publicKey reads an Ed25519 key in base64 SubjectPublicKeyInfo (RFC 8410).
func publicKey(s string) (ed25519.PublicKey, []byte, error) {
	der, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, nil, errors.New("not base64")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, nil, err
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, nil, fmt.Errorf("a %T; an Ed25519 key is needed", parsed)
	}
	return key, der, nil
}

// findNetwork reads the network that --network means: a file when the value
// looks like one, otherwise the data folder's file, whose name it must be.
func findNetwork(dataDir, value string) (networkFile, error) {
	if strings.ContainsRune(value, filepath.Separator) || strings.HasSuffix(value, ".yaml") || strings.HasSuffix(value, ".yml") {
		return readNetwork(value)
	}
	n, err := readNetwork(filepath.Join(dataDir, fileNetwork))
	if err == nil && value != "" && value != n.Name {
		err = refusef("network %q is asked for, and %s describes %q", value, filepath.Join(dataDir, fileNetwork), n.Name)
	}
	return n, err
}

// checkApprover refuses a key that is not the network's approver.
func (n networkFile) checkApprover(file string, key ed25519.PrivateKey) error {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode approver key: %w", err)
	}
	if !bytes.Equal(spki, n.Approver) {
		return refusef("%s is not the approver key of network %s", file, n.Name)
	}
	return nil
}
