package client

import (
	"fmt"
	"slices"
	"sync"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// Trust says what a key certificate must fulfil beside its signatures. Members of
// a certificate prove that they hold the keys of their peer ids, not that these
// are the operator's nodes; whoever knows the network's nodes can say so here.
type Trust struct {
	// Network is the name of the network. Empty: any.
	Network string
	// Parties are the peer ids that may hold shares. Empty: any.
	Parties []string
}

func (t Trust) validate() error {
	for _, id := range t.Parties {
		if _, err := protocol.PeerKey(id); err != nil {
			return fmt.Errorf("%w: trusted party: %w", ErrConfig, err)
		}
	}
	return nil
}

// Check compares a certified key with what is trusted. Errors are ErrVerification.
func (t Trust) Check(k *Key) error {
	if t.Network != "" && k.Network != t.Network {
		return refuted("account %s: its key is of network %q, not %q", k.Account, k.Network, t.Network)
	}
	for _, m := range k.Roster {
		if len(t.Parties) > 0 && !slices.Contains(t.Parties, m.Peer) {
			return refuted("account %s: %s holds a share of its key, and is none of the trusted parties", k.Account, m.Peer)
		}
	}
	return nil
}

// Pins remembers which key an account has from when it is first seen, so that no
// coordinator can put another in its place.
type Pins interface {
	// Pin remembers the key of an account that is not known yet. For a known one,
	// the error is an ErrVerification when the key is another.
	Pin(*Key) error
}

// NewPins returns Pins in memory.
func NewPins() Pins { return &memoryPins{known: make(map[string]pin)} }

// pin is what is remembered of an account.
type pin struct {
	Network   string `json:"network"`
	Session   string `json:"keygen_session_id"`
	Scheme    string `json:"scheme"`
	PublicKey string `json:"public_key"` // hex
}

func pinOf(k *Key) pin {
	return pin{k.Network, k.Session, string(k.Scheme), fmt.Sprintf("%x", k.PublicKey)}
}

func (p pin) check(k *Key) error {
	if now := pinOf(k); now != p {
		return refuted("account %s had the key %s of network %q, and has %s of %q now", k.Account, p.PublicKey, p.Network, now.PublicKey, now.Network)
	}
	return nil
}

type memoryPins struct {
	sync.Mutex
	known map[string]pin
}

func (m *memoryPins) Pin(k *Key) error {
	m.Lock()
	defer m.Unlock()
	if p, ok := m.known[k.Account]; ok {
		return p.check(k)
	}
	m.known[k.Account] = pinOf(k)
	return nil
}

// trusted verifies an account's key and compares it with what is known.
func (c *Client) trusted(a *rest.Account) (*Key, error) {
	k, err := VerifyAccount(a)
	if err != nil {
		return nil, err
	}
	return k, c.trust(k)
}

// trust compares a verified key with what is known, and remembers it.
func (c *Client) trust(k *Key) error {
	if err := c.cfg.Trust.Check(k); err != nil {
		return err
	}
	if err := c.cfg.Pins.Pin(k); err != nil {
		return err
	}
	c.keys.Add(k.Account, k)
	return nil
}
