package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/meshmpc/mpcd/p2p"
)

// daemonConfig is what every daemon is told.
type daemonConfig struct {
	DataDir   string
	Network   string        // see findNetwork
	Bootstrap []string      // multiaddrs of bootstrap nodes, with peer id
	Listen    []string      // multiaddrs for other nodes to dial
	Drain     time.Duration // bound of a graceful stop
	LockWait  time.Duration // for a data folder in use
	Env       environment
	Log       logConfig
	Pprof     string // host:port for profiles; empty: none
}

// daemonCommand makes a daemon's command of its settings and its way to run.
func daemonCommand(name, usage string, flags []cli.Flag, run cli.ActionFunc) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, Flags: daemonFlags(flags...), Before: layer,
		Action: func(c *cli.Context) error {
			if c.Bool(flagPrintConfig) {
				return printSettings(c)
			}
			return run(c)
		},
	}
}

// commonConfig reads the settings of every daemon; listen names the one with
// the addresses for other nodes.
func commonConfig(c *cli.Context, listen string) (daemonConfig, error) {
	cfg := daemonConfig{
		DataDir: c.String(setDataDir), Network: c.String(setNetwork),
		Bootstrap: c.StringSlice(setBootstrap), Listen: c.StringSlice(listen), Drain: c.Duration(setDrain),
		Pprof: c.String(setPprof),
	}
	var err error
	if cfg.Env, err = parseEnvironment(c.String(setEnvironment)); err != nil {
		return cfg, err
	}
	if cfg.Log, err = parseLog(c.String(setLogLevel), c.String(setLogFormat)); err != nil {
		return cfg, err
	}
	return cfg, cfg.validate(listen)
}

func (d *daemonConfig) validate(listen string) error {
	switch {
	case d.DataDir == "":
		return refusef("no data folder: set --data-dir or MPC_DATA_DIR")
	case len(d.Listen) == 0:
		return refusef("--%s is empty: name at least one address", listen)
	case d.Drain <= 0:
		return refusef("--%s %v: use a positive duration such as 30s", setDrain, d.Drain)
	}
	for _, addr := range d.Listen {
		if err := p2p.ParseAddr(addr); err != nil {
			return refusef("--%s: %w", listen, err)
		}
	}
	for _, addr := range d.Bootstrap {
		if err := p2p.ParseBootstrap(addr); err != nil {
			return refusef("--%s: %w", setBootstrap, err)
		}
	}
	return checkPprof(d.Pprof)
}

// needBootstrap is for daemons that find the network through others.
func (d *daemonConfig) needBootstrap() error {
	if len(d.Bootstrap) == 0 {
		return refusef("no bootstrap node: set --bootstrap or MPC_BOOTSTRAP to the address that one prints at its start")
	}
	return nil
}

// runner is a part of a daemon: Run blocks until ctx ends, and then drains.
type runner interface {
	Run(ctx context.Context) error
}

// serve runs a part that needs the host, and what it rests on (the host, a store)
// a little longer: what the part still has to say while it drains goes through
// them. A failure of one ends the others.
func serve(ctx context.Context, part runner, below ...runner) error {
	belowCtx, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBelow()
	group, groupCtx := errgroup.WithContext(ctx)
	for _, b := range below {
		group.Go(func() error {
			if err := b.Run(belowCtx); err != nil && belowCtx.Err() == nil {
				return err
			}
			return nil
		})
	}
	group.Go(func() error {
		defer stopBelow()
		return part.Run(groupCtx)
	})
	return group.Wait()
}
