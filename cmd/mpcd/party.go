package main

import (
	"errors"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/node"
	"github.com/meshmpc/mpcd/p2p"
)

// storeFolder holds a party's keystore inside its data folder.
const storeFolder = "store"

// orphanTime is what the worker of a supervisor that was killed may take to end: a
// new party that is started at once waits for it.
const orphanTime = 2 * time.Second

// mostPresignatures keeps a typing error from filling the memory: they take 3.6 GB.
const mostPresignatures = 100_000

// partyConfig is what a party is told.
type partyConfig struct {
	daemonConfig
	Master    keystore.MasterKey
	PreParams int // sets of pre-parameters to keep in stock
	Presigned int // presignatures held at most
	Cores     int // that this process has; not a setting
}

func partyCommand() *cli.Command {
	flags := []cli.Flag{
		list(setListen, "MPC_LISTEN", defaultP2PListen, "`MULTIADDR` for other nodes to dial"),
		masterKey.flag(),
		number(setPreParams, "MPC_PREPARAMS", node.DefaultPoolTarget, "`SETS` of pre-parameters to keep in stock: a new ECDSA key uses one, and takes seconds longer when there is none"),
		number(setMaxPresignatures, "MPC_MAX_PRESIGNATURES", node.DefaultMaxPresignatures, "`COUNT` of presignatures, of all keys, that this party holds at most, in memory (36 KB each); 0: it makes none"),
	}
	return daemonCommand("party", "run a party: it holds shares and signs with others", flags, func(c *cli.Context) error {
		w, err := inheritedWorker()
		switch {
		case err != nil:
			return err
		case w == nil:
			return superviseParty(c)
		}
		return w.end(w.party(c))
	})
}

// superviseParty runs the party in a process of its own.
func superviseParty(c *cli.Context) error {
	cfg, err := parseLog(c.String(setLogLevel), c.String(setLogFormat))
	if err != nil {
		return err
	}
	cfg.apply()
	return supervise(c.Context)
}

// party is the command in the worker.
func (w *worker) party(c *cli.Context) error {
	cfg, err := newPartyConfig(c)
	if err != nil {
		return err
	}
	if len(w.Listen) > 0 {
		cfg.Listen = w.Listen
	}
	cfg.LockWait = orphanTime
	c.Context = w.obey(c.Context, func() { os.Exit(exitFailed) })
	return runParty(c, cfg, w)
}

func newPartyConfig(c *cli.Context) (partyConfig, error) {
	cfg := partyConfig{PreParams: c.Int(setPreParams), Presigned: c.Int(setMaxPresignatures)}
	var err error
	if cfg.daemonConfig, err = commonConfig(c, setListen); err != nil {
		return cfg, err
	}
	master, err := masterKey.need(c, cfg.Env)
	if err != nil {
		return cfg, err
	}
	if cfg.Master, err = keystore.ParseMasterKey(master); err != nil {
		return cfg, refusef("%s: %w", masterKey.variable, err)
	}
	if cfg.PreParams < 0 || cfg.PreParams > node.MaxPoolTarget {
		return cfg, refusef("--%s %d: use 0 to %d", setPreParams, cfg.PreParams, node.MaxPoolTarget)
	}
	if cfg.Presigned < 0 || cfg.Presigned > mostPresignatures {
		return cfg, refusef("--%s %d: use 0 to %d", setMaxPresignatures, cfg.Presigned, mostPresignatures)
	}
	for _, count := range []*int{&cfg.PreParams, &cfg.Presigned} {
		if *count == 0 {
			*count = -1 // none; the node's own zero means its default
		}
	}
	return cfg, cfg.needBootstrap()
}

func runParty(c *cli.Context, cfg partyConfig, w *worker) (err error) {
	cfg.Log.apply()
	forbidCoreDumps()
	cfg.Cores = overcommitCores()
	dir, err := openDataDir(cfg.daemonConfig, p2p.RoleParty, p2p.RoleDelegate)
	if err != nil {
		return err
	}
	dir.worker = w
	defer func() { err = errors.Join(err, dir.close()) }()
	stop, err := dir.serveProfiles(cfg.Pprof)
	if err != nil {
		return err
	}
	defer stop()
	store, err := keystore.Open(keystore.Config{Dir: dir.file(storeFolder), Master: cfg.Master, Party: dir.self.Peer})
	if err != nil {
		return refuse(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return dir.party(c, cfg, store)
}

// party runs the node on an open store.
func (d *dataDir) party(c *cli.Context, cfg partyConfig, store *keystore.Store) error {
	host, err := p2p.New(d.p2pConfig(cfg.daemonConfig, p2p.RoleCoordinator))
	if errors.Is(err, p2p.ErrListen) {
		d.worker.noListen()
	}
	if err != nil {
		return refuse(err)
	}
	part, err := node.New(node.Config{
		Host: host, Store: store, Network: d.network.Name, PoolTarget: cfg.PreParams, MaxPresignatures: cfg.Presigned,
		DataDir: d.path, PlainUserShares: d.network.PlainUserShares, DrainTimeout: cfg.Drain, Software: software(), Labels: d.self.Labels,
		Cores: cfg.Cores,
		Watch: d.worker, Interrupted: d.worker.Interrupted,
	})
	if err != nil {
		return errors.Join(refuse(err), host.Close())
	}
	d.worker.ready(host.Listening()) // first: who reads the run file may count on the supervisor
	withdraw, err := d.announce(host.Addrs(), nil)
	if err != nil {
		return errors.Join(err, host.Close())
	}
	defer withdraw()
	return serve(c.Context, part, host, store, newTrimmer())
}
