package coordinator

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/p2p"
)

// DefaultRetention is what a coordinator should be told to keep sessions for.
const DefaultRetention = 90 * 24 * time.Hour

// DefaultDrainTimeout is how long running sessions get when Run is told to stop.
const DefaultDrainTimeout = 20 * time.Second

// Bounds of the sessions at work, and of those that wait for their turn.
const (
	DefaultMaxSessions = engine.DefaultMaxSessions
	DefaultMaxQueue    = engine.DefaultMaxQueue
)

// DefaultPresignTarget is how many presignatures a coordinator should be told that
// accounts in use keep.
const DefaultPresignTarget = 2

// ErrConfig reports a configuration that cannot work; the message says why.
var ErrConfig = errors.New("coordinator configuration")

// Mesh is what the coordinator needs of the network. *p2p.Host has it.
type Mesh interface {
	ID() p2p.PeerID
	Member(id p2p.PeerID) (p2p.Member, bool)
	Send(ctx context.Context, to p2p.PeerID, channel string, frame []byte) error
	Ping(ctx context.Context, id p2p.PeerID) (time.Duration, error)
	Handle(c p2p.Channel) error
	Join(cfg p2p.TopicConfig) (*p2p.Topic, error)
	IssuePass(guest p2p.PeerID, until time.Time) (string, error)
	Addrs() []string
}

// Config describes a coordinator.
type Config struct {
	Dir     string // folder of the registry; made if it is not there
	Mesh    Mesh
	Network string   // name of the network, as the credentials have it
	Listen  []string // HTTP addresses, host:port; port 0: chosen by the system

	Edge // who may call, how often, and over what
	// Approver is the network's approver key (Ed25519 or P-256): accounts made
	// here name it as their approver, and it authorises signing with them.
	Approver crypto.Signer

	// JoinSecret makes invite codes and join tokens, at least 32 characters; empty:
	// users' devices cannot be invited. Authority and Bootstrap are what devices
	// that join are told of the network.
	JoinSecret string
	Authority  ed25519.PublicKey
	Bootstrap  []string

	MaxSessions   int           // at work at a time, and half as many with users' devices; 0: DefaultMaxSessions (48)
	MaxQueue      int           // that wait for their turn, of each kind; more are refused; 0: DefaultMaxQueue (1024)
	PresignTarget int           // presignatures that accounts in use keep which ask for no other number; 0: none
	KeygenTimeout time.Duration // of one attempt; 0: engine.DefaultKeygenTimeout (120 s)
	SignTimeout   time.Duration // of one attempt; 0: engine.DefaultSignTimeout (60 s)
	DrainTimeout  time.Duration // 0: DefaultDrainTimeout
	Version       string        // of the software, for the metrics

	// Retention is how long sessions are kept after their end, at least a day; 0:
	// for ever. Accounts that have a key are kept for ever.
	Retention time.Duration
	// WebhookKey is the file with the key of webhooks' secrets, made when it is
	// needed; empty: webhooks.key in Dir.
	WebhookKey      string
	WebhookLoopback bool // webhooks may call loopback addresses, also without TLS
	WebhookPrivate  bool // webhooks may call private addresses
}

// maxTimeout is a little less than what parties let a session live.
const maxTimeout = 14 * time.Minute

// Validate checks the configuration and fills the defaults.
func (c *Config) Validate() error {
	if c.KeygenTimeout == 0 {
		c.KeygenTimeout = engine.DefaultKeygenTimeout
	}
	if c.SignTimeout == 0 {
		c.SignTimeout = engine.DefaultSignTimeout
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	switch {
	case c.Dir == "":
		return fmt.Errorf("%w: name the folder of the registry", ErrConfig)
	case c.Network == "":
		return fmt.Errorf("%w: name the network", ErrConfig)
	case c.Approver == nil:
		return fmt.Errorf("%w: the network's approver key is missing", ErrConfig)
	case len(c.Listen) == 0:
		return fmt.Errorf("%w: name at least one address to listen on", ErrConfig)
	}
	if c.PresignTarget < 0 || c.PresignTarget > engine.MaxPresignTarget {
		return fmt.Errorf("%w: a target of %d presignatures: use 0 to %d", ErrConfig, c.PresignTarget, engine.MaxPresignTarget)
	}
	if err := c.Edge.validate(); err != nil {
		return err
	}
	for name, d := range map[string]time.Duration{"keygen": c.KeygenTimeout, "sign": c.SignTimeout} {
		if d < time.Second || d > maxTimeout {
			return fmt.Errorf("%w: a %s timeout of %v: use 1s to %v", ErrConfig, name, d, maxTimeout)
		}
	}
	if c.Retention != 0 && c.Retention < registry.IdemLife {
		return fmt.Errorf("%w: a retention of %v: use at least %v, or 0 for ever", ErrConfig, c.Retention, registry.IdemLife)
	}
	if c.DrainTimeout < 0 {
		return fmt.Errorf("%w: a drain timeout of %v", ErrConfig, c.DrainTimeout)
	}
	return nil
}
