package main

import (
	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/p2p"
)

const setJoinBootstrap = "join-bootstrap"

// joinConfig is what a coordinator needs to invite users' devices.
type joinConfig struct {
	Secret    string   // empty: it cannot invite
	Bootstrap []string // what devices are told; they meet parties through relays there
}

func newJoinConfig(c *cli.Context, common *daemonConfig) (joinConfig, error) {
	j := joinConfig{Bootstrap: c.StringSlice(setJoinBootstrap)}
	var err error
	if j.Secret, err = jwtKey.read(c, common.Env); err != nil {
		return j, err
	}
	if j.Secret != "" && len(j.Secret) < minSecret {
		return j, refusef("%s has %d characters and needs at least %d; make one with: openssl rand -hex 32", jwtKey.variable, len(j.Secret), minSecret)
	}
	for _, addr := range j.Bootstrap {
		if err := p2p.ParseBootstrap(addr); err != nil {
			return j, refusef("--%s: %w", setJoinBootstrap, err)
		}
	}
	if len(j.Bootstrap) == 0 {
		j.Bootstrap = common.Bootstrap
	}
	return j, nil
}
