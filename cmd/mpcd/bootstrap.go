package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/bootstrap"
	"github.com/meshmpc/mpcd/p2p"
)

func bootstrapCommand() *cli.Command {
	flags := []cli.Flag{list(setListen, "MPC_LISTEN", defaultP2PListen, "`MULTIADDR` for other nodes to dial")}
	return daemonCommand("bootstrap", "run a bootstrap node, through which others find each other", flags, func(c *cli.Context) error {
		cfg, err := commonConfig(c, setListen)
		if err != nil {
			return err
		}
		return runBootstrap(c, cfg)
	})
}

func runBootstrap(c *cli.Context, cfg daemonConfig) (err error) {
	cfg.Log.apply()
	forbidCoreDumps()
	dir, err := openDataDir(cfg, p2p.RoleBootstrap)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	stop, err := dir.serveProfiles(cfg.Pprof)
	if err != nil {
		return err
	}
	defer stop()
	node, err := bootstrap.New(bootstrap.Config{Config: dir.p2pConfig(cfg)})
	if err != nil {
		return refuse(err)
	}
	withdraw, err := dir.announce(node.Addrs(), nil)
	if err != nil {
		return errors.Join(err, node.Close())
	}
	defer withdraw()
	return node.Run(c.Context)
}
