package main

import (
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

// secret is a value that comes from a variable, or from a file that a setting
// names, and never from an argument.
type secret struct {
	variable string // holds the value itself; variable + "_FILE" names a file
	file     string // the setting that names a file
	usage    string
}

var (
	masterKey = secret{"CRYPTO_MASTER_KEY", "master-key-file", "`FILE` with the master key that seals this node's shares: 64 hexadecimal characters"}
	apiKey    = secret{"MPC_API_KEY", "api-key-file", "`FILE` with the API key of the backend: at least 32 characters"}
	jwtKey    = secret{"JWT_SECRET_KEY", "jwt-secret-file", "`FILE` with the key that makes invite codes and join tokens: at least 32 characters (default: users' devices cannot be invited)"}

	secrets = []secret{masterKey, apiKey, jwtKey}
)

func (s secret) flag() cli.Flag { return text(s.file, s.variable+"_FILE", "", s.usage) }

// secretsOf lists the secrets that a command reads.
func secretsOf(c *cli.Command) []secret {
	var of []secret
	for _, s := range secrets {
		for _, f := range c.Flags {
			if f.Names()[0] == s.file {
				of = append(of, s)
			}
		}
	}
	return of
}

// read returns the secret, or "" when it is not set.
func (s secret) read(c *cli.Context, env environment) (string, error) {
	value, file := os.Getenv(s.variable), c.String(s.file)
	switch {
	case value != "" && file != "":
		return "", refusef("%s and --%s are both set: set one of them", s.variable, s.file)
	case file == "":
		return value, nil
	}
	if err := env.checkSecretFile(file); err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", refusef("--%s: %w", s.file, err)
	}
	value = strings.TrimSpace(string(data))
	if value == "" {
		return "", refusef("--%s: %s is empty", s.file, file)
	}
	return value, nil
}

// need is read for a secret without which the daemon cannot work.
func (s secret) need(c *cli.Context, env environment) (string, error) {
	value, err := s.read(c, env)
	if err == nil && value == "" {
		err = refusef("no %s: set it, or %s_FILE to the name of a file that holds it", s.variable, s.variable)
	}
	return value, err
}
