package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// Defaults of Config.
const (
	DefaultPoolTarget   = 8
	DefaultDrainTimeout = 30 * time.Second
	DefaultMaxSessions  = 256
	MaxPoolTarget       = 1000
)

// Config describes a party.
type Config struct {
	Host    *p2p.Host       // the party's place in the network; the caller runs it
	Store   *keystore.Store // the party's shares; the caller closes it after Run
	Network string          // name of the network, as the credentials have it

	// Role is what the node is a member of rosters as; empty: what its credential
	// says. Persistent: a party, which keeps shares and also takes part for users.
	// Delegate: a party that only takes part for users. External: a user's own
	// device, which publishes no heartbeats and asks its user.
	Role protocol.Role
	// Consent asks the user about a session that has passed all checks: a keygen,
	// or a signing with its account and payload. The fingerprint is
	// protocol.Fingerprint. It may take until ctx ends, at the session's deadline;
	// an error declines. An External node needs it, other nodes may do without.
	Consent func(ctx context.Context, s *protocol.Spec, fingerprint string) error
	// PlainUserShares allows a user's share to come unsealed with a signing: the
	// coordinator and everybody who reads its memory or traffic see it then.
	PlainUserShares bool

	// Watch hears of the sessions that this party takes part in; nil: nobody does.
	Watch SessionWatch
	// Interrupted are sessions that an earlier process of this party was in when it
	// ended unexpectedly: Run tells their coordinators, and Watch when that is done.
	Interrupted []SessionRef

	// DataDir is the folder in which evidence of other members' faults and their
	// counts are kept, see EvidenceIn and QuarantineIn. Empty: neither is kept, and
	// nobody is ever in quarantine.
	DataDir string

	PoolTarget   int           // sets of pre-parameters to keep; 0: DefaultPoolTarget, External: none; negative: none
	DrainTimeout time.Duration // how long a stop waits for running sessions; 0: DefaultDrainTimeout
	MaxSessions  int           // sessions at a time; 0: DefaultMaxSessions; see MaxSessionsPerCoordinator
	// Cores is how many processors what computes for long has together; 0: GOMAXPROCS,
	// of which a daemon may have more than there are processors.
	Cores int
	// MaxPresignatures bounds the presignatures held; 0: DefaultMaxPresignatures,
	// negative: none. See MaxPresignaturesPerKey.
	MaxPresignatures int
	Software         string            // version, for heartbeats
	Labels           map[string]string // for heartbeats
}

// Validate checks the configuration and fills the defaults.
func (c *Config) Validate() error {
	if c.Host == nil || c.Store == nil || c.Network == "" {
		return errors.New("node: host, store and network are required")
	}
	if err := c.validateRole(c.Host.Self().Role); err != nil {
		return err
	}
	if c.PoolTarget == 0 && c.Role != protocol.External {
		c.PoolTarget = DefaultPoolTarget
	}
	if c.PoolTarget > MaxPoolTarget {
		return fmt.Errorf("node: a pool of %d sets of pre-parameters is too large: at most %d", c.PoolTarget, MaxPoolTarget)
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	if c.DrainTimeout < 0 || c.MaxSessions < 0 || c.Cores < 0 {
		return errors.New("node: drain timeout, session limit and number of cores must not be negative")
	}
	if c.Cores == 0 {
		c.Cores = runtime.GOMAXPROCS(0)
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = DefaultMaxSessions
	}
	if c.MaxPresignatures == 0 {
		c.MaxPresignatures = DefaultMaxPresignatures
	}
	return nil
}

// rolesOf says what a node that is admitted to the network as something is in
// rosters.
var rolesOf = map[p2p.Role]protocol.Role{
	p2p.RoleParty: protocol.Persistent, p2p.RoleDelegate: protocol.Delegate, p2p.RoleExternal: protocol.External,
}

func (c *Config) validateRole(admitted p2p.Role) error {
	role := rolesOf[admitted]
	if c.Role == "" {
		c.Role = role
	}
	switch {
	case role == "" || c.Role != role:
		return fmt.Errorf("node: it cannot be a member of sessions as %q: it is admitted to the network as %s", c.Role, admitted)
	case c.Role == protocol.External && c.Consent == nil:
		return errors.New("node: a user's device must be able to ask its user: Consent is missing")
	}
	return nil
}
