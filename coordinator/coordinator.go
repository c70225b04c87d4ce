package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/dgraph-io/badger/v4"
	logging "github.com/ipfs/go-log/v2"
	"golang.org/x/sync/errgroup"

	"github.com/meshmpc/mpcd/coordinator/internal/api"
	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/hooks"
	"github.com/meshmpc/mpcd/coordinator/internal/invite"
	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

var log = logging.Logger("coordinator")

// Coordinator is one coordinator of a network.
type Coordinator struct {
	cfg       Config
	net       network
	db        *badger.DB
	registry  *registry.Registry
	pool      *pool.View
	engine    *engine.Engine
	hooks     *hooks.Hooks
	edge      edge
	server    *server
	listeners []net.Listener

	stopping context.Context // ends the waiting of HTTP calls
	stopWait context.CancelFunc
}

// New opens the registry and binds the HTTP addresses. Nothing is served before
// Run; whoever does not run it closes it.
func New(cfg Config) (*Coordinator, error) {
	if cfg.Mesh == nil {
		return nil, fmt.Errorf("%w: the mesh is missing", ErrConfig)
	}
	return assemble(cfg, overMesh{cfg.Mesh, &cfg})
}

func assemble(cfg Config, n network) (*Coordinator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Coordinator{cfg: cfg, net: n}
	c.stopping, c.stopWait = context.WithCancel(context.Background())
	var err error
	if c.listeners, err = listen(cfg.Listen); err != nil {
		return nil, err
	}
	if c.db, err = keystore.OpenDB(cfg.Dir); err != nil {
		closeAll(c.listeners)
		return nil, fmt.Errorf("coordinator: registry: %w", err)
	}
	if err := c.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("coordinator: %w", err), c.Close())
	}
	return c, nil
}

// build makes the parts, from the lowest up.
func (c *Coordinator) build() (err error) {
	if c.registry, err = registry.Open(c.db, time.Now); err != nil {
		return err
	}
	c.pool = pool.New(pool.Config{Network: c.cfg.Network, Verify: p2p.Verify, Member: c.net.Member, Now: time.Now})
	if err := c.openEdge(); err != nil {
		return err
	}
	c.engine, err = engine.New(engine.Config{
		Network: c.cfg.Network, Mesh: c.net, Pool: c.pool, Registry: c.registry, Verify: p2p.Verify,
		Approver: c.cfg.Approver, KeygenTimeout: c.cfg.KeygenTimeout, SignTimeout: c.cfg.SignTimeout,
		PresignTarget: c.cfg.PresignTarget, MaxSessions: c.cfg.MaxSessions, MaxQueue: c.cfg.MaxQueue, Ended: c.countSession, Blamed: c.edge.metrics.Blame,
	})
	if err != nil {
		return err
	}
	invites, err := c.invites()
	if err != nil {
		return err
	}
	if c.hooks, err = c.newHooks(); err != nil {
		return err
	}
	handler, err := api.New(api.Config{
		Network: c.cfg.Network, Verify: p2p.Verify, Mesh: c.net, Invites: invites,
		Engine: c.engine, Registry: c.registry, Pool: c.pool, Access: c.access(), Metrics: c.edge.metrics,
		Webhooks: c.hooks, Stopping: c.stopping,
	})
	if err != nil {
		return err
	}
	c.server = newServer(handler, max(c.cfg.KeygenTimeout, c.cfg.SignTimeout))
	if c.edge.cert != nil {
		c.server.secure, c.server.TLSConfig = true, c.edge.cert.config()
	}
	return nil
}

// countSession counts a session that has ended.
func (c *Coordinator) countSession(s *registry.Session) {
	c.edge.metrics.Session(api.KindOf(s), string(s.Status), s.Finished.Sub(s.Created))
}

// invites makes what admits users' devices; nil without a secret.
func (c *Coordinator) invites() (*invite.Issuer, error) {
	if c.cfg.JoinSecret == "" {
		return nil, nil
	}
	return invite.New(c.cfg.Network, c.cfg.JoinSecret)
}

// Addrs returns the bound HTTP addresses, host:port, in the order of
// Config.Listen.
func (c *Coordinator) Addrs() []string {
	addrs := make([]string, len(c.listeners))
	for i, l := range c.listeners {
		addrs[i] = l.Addr().String()
	}
	return addrs
}

// Run serves until ctx ends, then stops in the order of the package comment and
// closes everything. It returns nil after an orderly stop.
func (c *Coordinator) Run(ctx context.Context) error {
	parts, stopParts := context.WithCancel(context.WithoutCancel(ctx)) // they outlive ctx by the drain
	defer stopParts()
	c.engine.Resume() // before Dispatch: outcomes must find their sessions
	if err := c.net.Dispatch(c.engine.Receive); err != nil {
		return errors.Join(fmt.Errorf("coordinator: %w", err), c.engine.Run(canceled()), c.Close())
	}
	group, failed := errgroup.WithContext(ctx)
	group.Go(func() error { return c.engine.Run(parts) })
	group.Go(func() error { return c.hooks.Run(parts) })
	group.Go(func() error { return c.forget(parts) })
	group.Go(func() error { return c.net.Heartbeats(parts, func(h *protocol.Heartbeat) { c.pool.Take(h) }) })
	group.Go(func() error { return c.edge.failures.Run(parts) })
	group.Go(func() error { return c.edge.serveMetrics(parts) })
	for _, l := range c.listeners {
		group.Go(func() error { return serve(c.server, l) })
	}
	log.Infow("coordinator listening", "network", c.cfg.Network, "peer", c.net.ID(), "http", c.Addrs())
	group.Go(func() error {
		<-failed.Done() // told to stop, or a part has failed
		defer stopParts()
		return c.stop()
	})
	return errors.Join(group.Wait(), c.Close())
}

// stop lets sessions finish, then ends the calls that wait and the server.
func (c *Coordinator) stop() error {
	log.Infow("coordinator stopping", "drain", c.cfg.DrainTimeout)
	drain, cancel := context.WithTimeout(context.Background(), c.cfg.DrainTimeout)
	defer cancel()
	c.engine.Drain(drain)
	c.stopWait()
	return shutdown(c.server)
}

// Close releases what New took. Run does it as well.
func (c *Coordinator) Close() error {
	c.stopWait()
	closeAll(c.listeners)
	c.edge.close()
	if c.db.IsClosed() {
		return nil
	}
	if c.registry != nil {
		c.registry.Flush() // what the last of the parts had to say
	}
	if err := c.db.Close(); err != nil {
		return fmt.Errorf("coordinator: close registry: %w", err)
	}
	return nil
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
