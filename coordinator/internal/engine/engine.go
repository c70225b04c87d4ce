package engine

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

var log = logging.Logger("coordinator")

// Defaults of Config.
const (
	DefaultKeygenTimeout = 120 * time.Second
	DefaultSignTimeout   = 60 * time.Second
	maxAttempts          = 2 // not counting those that have shown whom to leave out
)

// Timing of the conversation with parties.
const (
	probeTimeout  = 1200 * time.Millisecond // to find the parties of a session
	probeGrace    = 20 * time.Millisecond   // for more of them, once there are enough
	probeRetry    = 100 * time.Millisecond  // after a ping that failed at once
	resendEvery   = 500 * time.Millisecond  // a proposal without an answer
	firstPing     = 250 * time.Millisecond  // a party of a running attempt that has said nothing yet
	firstPong     = 500 * time.Millisecond  // for its answer
	pingEvery     = 750 * time.Millisecond  // a party of a running attempt
	maxMisses     = 2                       // pings in a row before a party counts as lost
	keygenMisses  = 4                       // the same in a keygen: it keeps every core busy, and losing it costs more than waiting
	deviceMisses  = 8                       // the same for users' devices, which send no heartbeats
	deviceGrace   = 2 * time.Minute         // for devices that have joined to be reached
	sendTimeout   = 5 * time.Second         // one frame
	approvalLife  = 120 * time.Second
	resumeGrace   = 60 * time.Second // after a restart: for outcomes to be delivered again
	resumeQuiet   = 10 * time.Second // after a restart: until the network is up and pings count
	resumeRetry   = 250 * time.Millisecond
	flushEvery    = 100 * time.Millisecond
	maxFrameQueue = 1024
	recordFirst   = time.Second // before events that could not be written are written again
	recordMost    = 30 * time.Second
	maxWaiting    = 10000                 // sessions that wait for people, or for their turn after that
	busyFirst     = 50 * time.Millisecond // before a party that has no room is asked again
	busyMost      = 2 * time.Second
	busySoon      = 10 // times; later busyLong
	busyLong      = 10 * time.Second
	mostBusy      = 20 // attempts of a session that found a party without room
)

// consentTimeout bounds an attempt in which people take part: they compare
// fingerprints before their devices accept.
const consentTimeout = 10 * time.Minute

// TurnTimeout is the longest that a session waits for its turn, and PatientTimeout the same for one that has waited for
// people: what they did is not to be lost, nor should they wonder tomorrow at what is signed then. Who would wait for longer than mostWait, by the
// pace at which turns come, is not taken in: others may come whose turns are before his.
const (
	TurnTimeout    = 5 * time.Minute
	PatientTimeout = time.Hour
	mostWait       = TurnTimeout * 4 / 5
)

// Bounds of what is done at a time. A party takes 64 sessions of a coordinator, some of which
// have ended here and not yet there.
const (
	DefaultMaxSessions = 48   // sessions at work
	DefaultMaxQueue    = 1024 // sessions that wait for their turn
	partyRoom          = 56   // attempts with one party
)

// Mesh is what the engine needs of the network.
type Mesh interface {
	// ID is this coordinator's peer id.
	ID() protocol.PeerID
	// Send sends one frame on a channel of direct streams.
	Send(ctx context.Context, to protocol.PeerID, channel string, frame []byte) error
	// Ping asks the application on the other side for a sign of life.
	Ping(ctx context.Context, peer protocol.PeerID) (time.Duration, error)
}

// Config describes an engine.
type Config struct {
	Network  string
	Mesh     Mesh
	Pool     *pool.View
	Registry *registry.Registry
	Verify   protocol.Verifier
	// Approver authorises signing with the accounts made here.
	Approver crypto.Signer
	// KeygenTimeout and SignTimeout bound one attempt. 0: the defaults.
	KeygenTimeout, SignTimeout time.Duration
	// PresignTarget is how many presignatures accounts keep that have been used
	// lately and say nothing of it; 0: none.
	PresignTarget int
	// MaxSessions bounds the sessions that are at work at a time, not counting those with users'
	// devices, which have half as many places of their own; 0: DefaultMaxSessions.
	// MaxQueue bounds those of a kind that wait for a turn; 0: DefaultMaxQueue.
	MaxSessions, MaxQueue int
	// Ended is told of each session that has ended; nil: nobody is. It must not
	// block.
	Ended func(*registry.Session)
	// Blamed is told of each blame: its reason, one of a few words, and whether it
	// is proven; nil: nobody is.
	Blamed func(reason string, proven bool)
}

// Engine runs the sessions of one coordinator.
type Engine struct {
	cfg       Config
	approvers protocol.Approvers

	ctx     context.Context // of all sessions; ends with Run
	stop    context.CancelFunc
	work    sync.WaitGroup // every goroutine of the engine
	late    chan inbound   // frames about attempts that do not run
	writing inFlight
	replies replies
	stock   *stock     // presignatures
	cancels cancels    // that parties have not got yet
	gather  sync.Mutex // held while somebody joins, approves or completes a session that waits

	mu       sync.Mutex
	draining bool
	stopped  bool
	quitting chan struct{}     // closed when draining begins
	turns    *turns            // sessions at work, and who is next
	runners  map[string]handle // by session id: all that have not ended
	attempts map[protocol.SID]*attempt
	load     map[protocol.PeerID]int // running attempts by party
	warm     warmSets                // who signed last for an account
	idle     chan struct{}           // closed while nothing is at work
	freed    chan struct{}           // closed when an attempt has ended
	recent   recent                  // attempts of late
}

// inbound is a frame with its authenticated sender.
type inbound struct {
	from  protocol.PeerID
	frame *protocol.Frame
}

// New prepares an engine; it sends nothing and starts nothing.
func New(cfg Config) (*Engine, error) {
	if cfg.Network == "" || cfg.Mesh == nil || cfg.Pool == nil || cfg.Registry == nil || cfg.Verify == nil || cfg.Approver == nil {
		return nil, errors.New("engine: network, mesh, pool, registry, verifier and approver are required")
	}
	if cfg.KeygenTimeout == 0 {
		cfg.KeygenTimeout = DefaultKeygenTimeout
	}
	if cfg.SignTimeout == 0 {
		cfg.SignTimeout = DefaultSignTimeout
	}
	if cfg.MaxSessions == 0 {
		cfg.MaxSessions = DefaultMaxSessions
	}
	if cfg.MaxQueue == 0 {
		cfg.MaxQueue = DefaultMaxQueue
	}
	spki, err := protocol.ApproverKey(cfg.Approver.Public())
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	e := &Engine{
		cfg: cfg, approvers: protocol.Approvers{M: 1, Keys: [][]byte{spki}}, ctx: ctx, stop: stop,
		late: make(chan inbound, maxFrameQueue), quitting: make(chan struct{}), turns: newTurns(cfg.MaxSessions), runners: make(map[string]handle),
		attempts: make(map[protocol.SID]*attempt), load: make(map[protocol.PeerID]int), idle: make(chan struct{}), freed: make(chan struct{}),
	}
	close(e.idle)
	e.stock = newStock(e)
	return e, nil
}

// Run works until ctx ends, then stops every session and waits for that. The
// sessions stay open in the registry.
func (e *Engine) Run(ctx context.Context) error {
	e.spawn(func() { e.stock.run(e.ctx) })
	flush := time.NewTicker(flushEvery)
	defer flush.Stop()
	for {
		select {
		case <-ctx.Done():
			e.shut()
			return nil
		case in := <-e.late:
			e.takeLate(in)
		case <-flush.C:
			e.cfg.Registry.Flush()
		}
	}
}

// shut ends everything that runs.
func (e *Engine) shut() {
	e.mu.Lock()
	e.drainLocked()
	e.stopped = true
	e.mu.Unlock()
	e.stop()
	e.work.Wait()
	e.cfg.Registry.Flush() // nothing is acknowledged any more; parties deliver again after the next start
}

// Drain refuses new sessions and returns when none is at work, or when ctx ends. Sessions
// that wait for a turn get none any more: Resume queues them again.
func (e *Engine) Drain(ctx context.Context) {
	e.mu.Lock()
	e.drainLocked()
	idle := e.idle
	e.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

func (e *Engine) drainLocked() {
	if e.draining {
		return
	}
	e.draining, e.turns.closed = true, true
	close(e.quitting)
}

// spawn runs fn on a goroutine that Run waits for; it does nothing after the end.
func (e *Engine) spawn(fn func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	e.work.Go(fn)
}

// IsDraining reports whether new sessions are refused.
func (e *Engine) IsDraining() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.draining
}
