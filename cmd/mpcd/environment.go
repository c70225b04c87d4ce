package main

import (
	"os"
)

// environment says how strict the daemon is with its operator.
type environment string

const (
	production  environment = "production"
	development environment = "development"
)

func parseEnvironment(s string) (environment, error) {
	switch e := environment(s); e {
	case production, development:
		return e, nil
	}
	return "", refusef("environment %q: use production or development", s)
}

// checkSecretFile refuses a file that every user of the machine can read;
// development only warns.
func (e environment) checkSecretFile(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return refusef("secret file: %w", err)
	}
	if info.Mode().Perm()&0o007 == 0 {
		return nil
	}
	if e == development {
		log.Warnw("every user of this machine can read a secret", "file", file)
		return nil
	}
	return refusef("every user of this machine can read %s: chmod o-rwx it, or set ENVIRONMENT=development", file)
}
