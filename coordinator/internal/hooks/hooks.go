package hooks

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	logging "github.com/ipfs/go-log/v2"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
)

var log = logging.Logger("coordinator/webhooks")

// Bounds; see the package comment.
const (
	MaxWebhooks = 32
	maxCalls    = 4      // of a webhook at a time
	maxPending  = 10_000 // deliveries of a webhook
	maxEvents   = 32     // patterns of a webhook
	callTimeout = 10 * time.Second
	dialTimeout = 5 * time.Second
	maxAnswer   = 4 << 10 // bytes read of an answer
	logLife     = 30 * 24 * time.Hour
	sweepEvery  = time.Hour
)

// Config describes the webhooks of a coordinator.
type Config struct {
	DB       *badger.DB // the registry's
	Registry *registry.Registry
	KeyFile  string // see the package comment; its folder exists
	Loopback bool   // loopback addresses may be called, also without TLS
	Private  bool   // private addresses may be called
	Version  string // of the software, for User-Agent

	Retry []time.Duration // nil: DefaultRetry
	Life  time.Duration   // 0: DefaultLife
	Now   func() time.Time
	TLS   *tls.Config // of the calls; nil: the system's roots
}

// Validate checks the configuration and fills the defaults.
func (c *Config) Validate() error {
	if c.DB == nil || c.Registry == nil || c.KeyFile == "" {
		return errors.New("webhooks: database, registry and key file are required")
	}
	if c.Retry == nil {
		c.Retry = DefaultRetry
	}
	if c.Life == 0 {
		c.Life = DefaultLife
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if len(c.Retry) == 0 || c.Life < 0 {
		return errors.New("webhooks: there must be a time between tries, and one for all of them")
	}
	return nil
}

// Hooks are the webhooks of a coordinator. Its methods are safe for concurrent
// use.
type Hooks struct {
	cfg     Config
	store   store
	secrets secrets
	client  *http.Client
	making  sync.Mutex // held while one is made, for the limit
	body    func(delivery string, e *registry.Event) ([]byte, error)

	// The rest is Run's.
	targets map[string]*target
	cursor  uint64 // events up to this one have their deliveries
	saved   uint64 // the cursor on disk
	results chan result
	calls   sync.WaitGroup
}

// target is a webhook that is called.
type target struct {
	*registry.WebhookState
	queue  *queue
	ctx    context.Context // of its calls
	cancel context.CancelFunc
}

// New prepares the webhooks; it reads and starts nothing.
func New(cfg Config) (*Hooks, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Hooks{
		cfg: cfg, store: store{cfg.DB}, secrets: secrets{file: cfg.KeyFile}, client: newClient(&cfg),
		targets: make(map[string]*target), results: make(chan result, MaxWebhooks*maxCalls),
	}, nil
}

// Render says how events are shown: body makes what a webhook gets for one, as
// JSON. It is called when a delivery is sent, from several goroutines. Render
// comes before Run.
func (h *Hooks) Render(body func(delivery string, e *registry.Event) ([]byte, error)) { h.body = body }
