package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Network is the name of every cluster's network.
const Network = "local"

// Cluster is a running network.
type Cluster struct {
	API       *API
	Ports     []string   // host:port of everything that the coordinator's API answers on
	Processes []*Process // in the order of their start: bootstrap, parties, coordinator

	cfg    Config
	binary string
}

// Start makes the network's keys and data folders, starts the processes, and
// returns when the coordinator sees every party.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	c, err := Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := c.Start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Prepare makes keys, data folders and settings and starts nothing.
func Prepare(ctx context.Context, cfg Config) (*Cluster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var err error
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, API: &API{Client: cfg.Client}}
	if c.binary, err = findBinary(ctx, cfg.Binary, cfg.Dir); err != nil {
		return nil, err
	}
	if err := c.initNetwork(ctx); err != nil {
		return nil, err
	}
	return c, c.addAll(ctx)
}

func (c *Cluster) addAll(ctx context.Context) error {
	if err := c.add(ctx, "bootstrap", RoleBootstrap); err != nil {
		return err
	}
	for i := range c.cfg.Parties {
		if err := c.add(ctx, "p"+strconv.Itoa(i+1), RoleParty); err != nil {
			return err
		}
	}
	key, err := c.secretFile("api.key")
	if err != nil {
		return err
	}
	c.API.Key = key
	return c.add(ctx, "coordinator", RoleCoordinator)
}

// Start starts the bootstrap node, then everything else at once, and waits until
// the coordinator sees every party.
func (c *Cluster) Start(ctx context.Context) error {
	if err := c.startOne(ctx, c.Processes[0]); err != nil {
		return err
	}
	for _, p := range c.Processes[1:] {
		p.settings["bootstrap"] = c.Processes[0].run.Addresses
	}
	errs := make([]error, len(c.Processes))
	var wg sync.WaitGroup
	for i, p := range c.Processes[1:] {
		wg.Go(func() { errs[i] = c.startOne(ctx, p) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.API.URL = "http://" + c.Process("coordinator").run.HTTPAddresses[0]
	c.Ports = c.Process("coordinator").run.HTTPAddresses
	return c.WaitLive(ctx, c.cfg.Parties)
}

func (c *Cluster) startOne(ctx context.Context, p *Process) error {
	err := p.Start(ctx)
	if err == nil {
		c.cfg.OnStart(p)
	}
	return err
}

// Process returns the process with a name, or nil.
func (c *Cluster) Process(name string) *Process {
	for _, p := range c.Processes {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// AddParty admits one more party to a cluster that runs, and starts it.
func (c *Cluster) AddParty(ctx context.Context, name string) (*Process, error) {
	if err := c.add(ctx, name, RoleParty); err != nil {
		return nil, err
	}
	p := c.Process(name)
	p.settings["bootstrap"] = c.Processes[0].run.Addresses
	return p, c.startOne(ctx, p)
}

// Parties returns the party processes.
func (c *Cluster) Parties() []*Process {
	var parties []*Process
	for _, p := range c.Processes {
		if p.Role == RoleParty {
			parties = append(parties, p)
		}
	}
	return parties
}

// ByPeer returns the process with a peer id, or nil.
func (c *Cluster) ByPeer(id string) *Process {
	for _, p := range c.Processes {
		if p.PeerID == id {
			return p
		}
	}
	return nil
}

// WaitLive waits until the coordinator is ready and sees n live parties.
func (c *Cluster) WaitLive(ctx context.Context, n int) error {
	return Poll(ctx, func() (bool, error) {
		if n >= 2 && c.API.Ready(ctx) != nil {
			return false, nil
		}
		live, err := c.API.Parties(ctx)
		return err == nil && live == n, nil
	})
}

// Close stops what runs, the coordinator first, and waits for it. What does not
// stop is killed.
func (c *Cluster) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*stopTimeout)
	defer cancel()
	var errs []error
	if p := c.Process("coordinator"); p != nil {
		errs = append(errs, p.Stop(ctx))
	}
	stops := make([]error, len(c.Processes))
	var wg sync.WaitGroup
	for i, p := range c.Processes {
		wg.Go(func() { stops[i] = p.Stop(ctx) })
	}
	wg.Wait()
	for _, p := range c.Processes {
		errs = append(errs, p.Kill())
	}
	return errors.Join(append(errs, stops...)...)
}

// secretFile makes a file with a random key of 64 hexadecimal characters.
func (c *Cluster) secretFile(name string) (string, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, see its documentation
	text := hex.EncodeToString(key)
	if err := os.WriteFile(filepath.Join(c.cfg.Dir, name), []byte(text+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("make %s: %w", name, err)
	}
	return text, nil
}
