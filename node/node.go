package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
	"golang.org/x/sync/errgroup"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

var log = logging.Logger("node")

// Limits that are not for configuration.
const (
	maxFrame      = protocol.MaxEnvelope + 1<<10
	linger        = time.Minute     // how long an ended session answers pulls and copies of its proposal
	sweepInterval = 5 * time.Second // of what has lingered
	drainReport   = 2 * time.Second // for outcomes, after the last session
	replayPurge   = 2 * time.Minute // interval of forgetting requests that have expired
)

// Node is a party daemon.
type Node struct {
	cfg      Config
	jobs     *Jobs
	keys     *keyring
	pool     *pool
	outcomes *outcomes
	shares   *userShares
	seal     *sealer
	asks     askLimit
	resolver *resolver
	endorses *paces
	early    *early
	sets     *sets
	room     room // of what waits in sessions
	quiet    idle // when work may run that nobody waits for
	cores    *cores
	begun    atomic.Uint64 // sessions
	conduct  conduct
	presigns *presigns
	draining atomic.Bool

	presignPaces *paces // of coordinators

	listening chan struct{} // closed when proposals can arrive
	beatNow   chan struct{}

	crash func(save *protocol.Save, done bool) error // tests only, else nil: ends this party before or after a save

	requests requests

	tap func(from protocol.PeerID, data []byte, gossip bool) // tests only: hears what arrives from other parties

	mu       sync.Mutex
	sessions map[protocol.SID]*ceremony
	live     live
	refusing map[protocol.PeerID]int // refusals on their way, by coordinator
	lingers  lingering               // what has ended
	idle     chan struct{}           // closed by the last session of a draining node
}

// New prepares a node; it starts nothing.
func New(cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	seal, err := newSealer(cfg.Host, cfg.Network)
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, conduct: newConduct(cfg.DataDir), jobs: NewJobs(logJob), keys: newKeyring(cfg.Store), shares: newUserShares(cfg.Store, cfg.Host), seal: seal, asks: newAskLimit(), resolver: newResolver(), endorses: newPaces(endorseEvery, endorseBurst), crash: injected(),
		early: newEarly(), beatNow: make(chan struct{}, 1), sessions: make(map[protocol.SID]*ceremony), refusing: make(map[protocol.PeerID]int), idle: make(chan struct{}), listening: make(chan struct{}),
		cores: newCores(cfg.Cores), live: live{of: make(map[protocol.PeerID]int)},
	}
	n.presigns, n.presignPaces = newPresigns(n.beat), newPaces(presignEvery, presignBurst)
	n.pool = newPool(cfg.Store, &n.quiet, n.cores, max(cfg.PoolTarget, 0))
	n.pool.changed = n.beat
	n.sets = newSets(cfg.Host, n)
	n.outcomes = newOutcomes(cfg.Store, n.sendFrame)
	return n, nil
}

// logJob is the error event of a job: a line in the log.
func logJob(e JobEvent) {
	switch {
	case e.Err == nil, errors.Is(e.Err, ErrStopped), errors.Is(e.Err, ErrJobReplace), errors.Is(e.Err, context.Canceled):
		log.Debugw("job ended", "job", e.Name, "duration", e.Duration)
	case e.Stack != "":
		log.Errorw("job panicked; the daemon goes on", "job", e.Name, "error", e.Err, "stack", e.Stack)
	default:
		log.Warnw("job failed", "job", e.Name, "duration", e.Duration, "error", e.Err)
	}
}

// Run serves until ctx ends, then drains. See the package comment for the order.
func (n *Node) Run(ctx context.Context) error {
	if err := n.listen(); err != nil {
		return err
	}
	close(n.listening)
	if err := n.shares.open(context.WithoutCancel(ctx)); err != nil {
		n.jobs.Stop()
		return fmt.Errorf("node: user shares: %w", err)
	}
	// The loops outlive ctx: running sessions still need them while draining.
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, loops := errgroup.WithContext(loops)
	if n.cfg.Role != protocol.External { // a guest may not join the pool, and nobody chooses it
		group.Go(func() error { return n.heartbeats(loops) })
	}
	group.Go(func() error { return n.outcomes.run(loops) })
	group.Go(func() error { return n.outcomes.keep(loops) })
	group.Go(func() error { return n.sweep(loops) })
	group.Go(func() error { return n.resolveLoop(loops) })
	group.Go(func() error { return n.tellInterrupted(loops) })
	group.Go(func() error { return n.pool.run(loops, n.jobs) })
	select {
	case <-ctx.Done():
	case <-loops.Done(): // a loop failed: nothing can be served
	}
	n.drain()
	n.jobs.Stop()
	n.sets.close()
	n.presigns.close()
	n.requests.writers.Wait()
	stop()
	return group.Wait()
}

// listen registers the channels. Only coordinators may dispatch, and only
// parties and users' devices may speak to parties.
func (n *Node) listen() error {
	err := n.cfg.Host.Handle(p2p.Channel{
		Name: protocol.ChannelDispatch, MaxFrame: maxFrame,
		Roles: []p2p.Role{p2p.RoleCoordinator}, Receive: n.receiveDispatch,
	})
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	err = n.cfg.Host.Handle(p2p.Channel{
		Name: protocol.ChannelDirect, MaxFrame: maxFrame,
		Roles: []p2p.Role{p2p.RoleParty, p2p.RoleDelegate, p2p.RoleExternal}, Receive: n.receiveDirect,
	})
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}

// drain refuses new sessions and waits for the running ones, within the bound.
func (n *Node) drain() {
	n.draining.Store(true)
	n.beat()
	log.Infow("draining", "sessions", n.running(), "limit", n.cfg.DrainTimeout)
	limit := time.NewTimer(n.cfg.DrainTimeout)
	defer limit.Stop()
	n.leaveIdle()
	select {
	case <-n.idle:
	case <-limit.C:
		log.Warnw("sessions are still running at the end of the drain time and end now", "sessions", n.running())
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainReport)
	defer cancel()
	n.outcomes.flush(ctx)
}

// running counts sessions that have not ended and that somebody waits for.
func (n *Node) running() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.live.all
}

// live counts the sessions that have not ended and that somebody waits for, by their
// coordinators.
type live struct {
	all int
	of  map[protocol.PeerID]int
}

// add counts a session that begins or, with -1, has ended.
func (l *live) add(c *ceremony, n int) {
	if c.presigning() {
		return
	}
	l.all += n
	if l.of[c.spec.Coordinator] += n; l.of[c.spec.Coordinator] == 0 {
		delete(l.of, c.spec.Coordinator)
	}
}

// leaveIdle closes idle when a draining node runs nothing any more.
func (n *Node) leaveIdle() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.draining.Load() || n.live.all > 0 {
		return
	}
	select {
	case <-n.idle:
	default:
		close(n.idle)
	}
}

// sweep forgets sessions that have lingered, early messages that nobody came
// for, presignatures that were held long enough and requests that can no longer be
// replayed.
func (n *Node) sweep(ctx context.Context) error {
	tick, purge := time.NewTicker(sweepInterval), time.NewTicker(replayPurge)
	defer tick.Stop()
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-purge.C:
			if err := n.forgetRequests(ctx, time.Now()); err != nil {
				log.Warnw("expired request ids could not be forgotten; will try again", "error", err)
			}
		case now := <-tick.C:
			n.early.expire(now)
			n.forgetEnded(now)
			n.sets.expire(now)
			n.shares.expire(ctx, now)
			n.presigns.expire(now)
		}
	}
}

// retire keeps an ended session for a while: it still answers pulls.
func (n *Node) retire(c *ceremony) {
	n.mu.Lock()
	n.lingers.add(c)
	n.live.add(c, -1)
	n.mu.Unlock()
	n.forgetEnded(time.Now())
}

// forgetEnded drops the sessions that ended too long ago, and the oldest ones if
// they take too much room.
func (n *Node) forgetEnded(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		e, found := n.lingers.surplus(now)
		if !found {
			return
		}
		if n.sessions[e.sid] == e.ceremony { // and not one of the same proposal that came later
			delete(n.sessions, e.sid)
		}
	}
}

// sendFrame sends a frame to a coordinator.
func (n *Node) sendFrame(ctx context.Context, to protocol.PeerID, f protocol.Frame) error {
	data, err := protocol.Marshal(f)
	if err != nil {
		return err
	}
	return n.cfg.Host.Send(ctx, to, protocol.ChannelDispatch, data)
}
