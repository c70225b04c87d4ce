package main

import (
	"crypto/ed25519"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshmpc/mpcd/coordinator"
	"github.com/meshmpc/mpcd/p2p"
)

// registryFolder holds a coordinator's registry inside its data folder.
const registryFolder = "registry"

// minSecret is how long API and token keys must be.
const minSecret = 32

// coordinatorConfig is what a coordinator is told.
type coordinatorConfig struct {
	daemonConfig
	HTTP     []string // host:port
	Edge     coordinator.Edge
	Approver string // file; empty: the data folder's
	Join     joinConfig
	Sessions int
	Queue    int           // sessions that wait for their turn
	Presign  int           // presignatures of accounts in use
	Keep     time.Duration // sessions, after their end
	Loopback bool          // webhooks may call this machine
	Private  bool          // webhooks may call private addresses
}

func coordinatorCommand() *cli.Command {
	flags := []cli.Flag{
		list(setListen, "MPC_LISTEN", []string{":4000"}, "`HOST:PORT` of the HTTP API"),
		list(setP2PListen, "MPC_P2P_LISTEN", defaultP2PListen, "`MULTIADDR` for other nodes to dial"),
	}
	flags = append(flags, edgeFlags()...)
	flags = append(flags, keepFlags()...)
	flags = append(flags,
		text(setApproverKey, "MPC_APPROVER_KEY_FILE", "", "`FILE` with the network's approver key (default: DATA_DIR/approver.key)"),
		jwtKey.flag(),
		list(setJoinBootstrap, "MPC_JOIN_BOOTSTRAP", nil, "`MULTIADDR` of a bootstrap node as users' devices reach it (default: those of --"+setBootstrap+")"),
	)
	command := daemonCommand("coordinator", "run the coordinator: sessions and the HTTP API", flags, func(c *cli.Context) error {
		cfg, err := newCoordinatorConfig(c)
		if err != nil {
			return err
		}
		return runCoordinator(c, cfg)
	})
	command.Subcommands = []*cli.Command{coordinatorKeysCommand()}
	return command
}

func newCoordinatorConfig(c *cli.Context) (coordinatorConfig, error) {
	cfg := coordinatorConfig{HTTP: c.StringSlice(setListen), Approver: c.String(setApproverKey), Loopback: c.Bool(setWebhookLoopback), Private: c.Bool(setWebhookPrivate)}
	var err error
	if cfg.daemonConfig, err = commonConfig(c, setP2PListen); err != nil {
		return cfg, err
	}
	if cfg.Edge, err = edgeConfig(c, &cfg.daemonConfig); err != nil {
		return cfg, err
	}
	if cfg.Join, err = newJoinConfig(c, &cfg.daemonConfig); err != nil {
		return cfg, err
	}
	if cfg.Sessions = c.Int(setMaxSessions); cfg.Sessions < 1 {
		return cfg, refusef("--%s %d: use at least 1", setMaxSessions, cfg.Sessions)
	}
	if cfg.Presign = c.Int(setPresignTarget); cfg.Presign < 0 || cfg.Presign > 256 {
		return cfg, refusef("--%s %d: use 0 to 256", setPresignTarget, cfg.Presign)
	}
	if cfg.Queue = c.Int(setMaxQueue); cfg.Queue < 1 {
		return cfg, refusef("--%s %d: use at least 1", setMaxQueue, cfg.Queue)
	}
	if cfg.Keep, err = retention(c); err != nil {
		return cfg, err
	}
	return cfg, errors.Join(checkHTTP(cfg.HTTP), cfg.needBootstrap())
}

func runCoordinator(c *cli.Context, cfg coordinatorConfig) (err error) {
	cfg.Log.apply()
	forbidCoreDumps()
	dir, err := openDataDir(cfg.daemonConfig, p2p.RoleCoordinator)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	approver, err := dir.approver(cfg)
	if err != nil {
		return err
	}
	stop, err := dir.serveProfiles(cfg.Pprof)
	if err != nil {
		return err
	}
	defer stop()
	host, err := p2p.New(dir.p2pConfig(cfg.daemonConfig, p2p.RoleParty, p2p.RoleDelegate))
	if err != nil {
		return refuse(err)
	}
	part, err := coordinator.New(coordinator.Config{
		Dir: dir.file(registryFolder), Mesh: host, Network: dir.network.Name, Listen: cfg.HTTP,
		Edge: cfg.Edge, Approver: approver, DrainTimeout: cfg.Drain, Version: version,
		JoinSecret: cfg.Join.Secret, Authority: dir.network.Authority, Bootstrap: cfg.Join.Bootstrap,
		PresignTarget: cfg.Presign, MaxSessions: cfg.Sessions, MaxQueue: cfg.Queue, Retention: cfg.Keep, WebhookKey: dir.file(fileWebhooks),
		WebhookLoopback: cfg.Loopback, WebhookPrivate: cfg.Private,
	})
	if err != nil {
		return errors.Join(refuse(err), host.Close())
	}
	defer onHangup(part.Reload)() // before the run file tells whom to signal: SIGHUP ends a process that does not listen
	withdraw, err := dir.announce(host.Addrs(), part.Addrs())
	if err != nil {
		return errors.Join(err, host.Close())
	}
	defer withdraw()
	return serve(c.Context, part, host)
}

// approver reads the network's approver key.
func (d *dataDir) approver(cfg coordinatorConfig) (ed25519.PrivateKey, error) {
	file := cfg.Approver
	if file == "" {
		file = d.file(fileApprover)
	}
	if !exists(file) {
		return nil, refusef("no approver key: copy approver.key from the network's folder to %s, or name it with --%s", file, setApproverKey)
	}
	if err := cfg.Env.checkSecretFile(file); err != nil {
		return nil, err
	}
	key, err := readKey(file)
	if err != nil {
		return nil, err
	}
	return key, d.network.checkApprover(file, key)
}

// checkHTTP refuses listen addresses that net.Listen would misunderstand.
func checkHTTP(addrs []string) error {
	if len(addrs) == 0 {
		return refusef("--%s is empty: name at least one address", setListen)
	}
	for _, addr := range addrs {
		if err := checkAddress(setListen, addr); err != nil {
			return err
		}
	}
	return nil
}
