package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator/client"
)

// connect makes the client that the settings describe. It connects to nothing
// yet.
func connect(c *cli.Context) (*client.Client, error) {
	f, err := configure(c)
	if err != nil {
		return nil, err
	}
	cfg := client.Config{URL: f.text(c, setURL), UserAgent: "mpcctl/" + version, Trust: f.trust(c), Pins: f.pins(c), OnRetry: tellRetry(c)}
	if cfg.URL == "" {
		return nil, misusef("no coordinator: give its URL with --url, the variable MPC_URL, or url in %s", f.file)
	}
	if cfg.Key, err = f.key(c); err != nil {
		return nil, err
	}
	if cfg.Timeout, err = f.timeout(c); err != nil {
		return nil, err
	}
	if cfg.TLS, err = f.tls(c); err != nil {
		return nil, err
	}
	return client.New(cfg)
}

// call runs f with a client, which it closes.
func call(c *cli.Context, f func(*client.Client) error) error {
	api, err := connect(c)
	if err != nil {
		return err
	}
	defer api.Close()
	return f(api)
}

// tellRetry says on stderr what is waited for, when that takes long.
func tellRetry(c *cli.Context) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		if wait >= 2*time.Second {
			fmt.Fprintf(c.App.ErrWriter, "%s (again in %v)\n", oneLine(explain(err)), wait.Round(time.Second))
		}
	}
}

func (f *configured) trust(c *cli.Context) client.Trust {
	return client.Trust{Network: f.text(c, setNetwork), Parties: f.list(c, setParties)}
}

func (f *configured) pins(c *cli.Context) client.Pins {
	file := f.text(c, setKnown)
	if file == "" {
		file = ownFile("known_keys.json")
	}
	return client.FilePins(file)
}

func (f *configured) tls(c *cli.Context) (*tls.Config, error) {
	file := f.text(c, setCA)
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, misusef("--%s: %w", setCA.name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, misuse{errors.New("--" + setCA.name + ": " + file + " has no certificate in PEM")}
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
