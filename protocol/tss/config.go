package tss

import (
	"errors"
	"fmt"

	"github.com/meshmpc/mpcd/protocol"
)

// KeygenConfig sets up one member of a keygen.
type KeygenConfig struct {
	SID       protocol.SID // of this attempt; every member has the same
	Scheme    protocol.Scheme
	Threshold int               // t: signers needed, 2 ≤ t ≤ n
	Roster    []protocol.Member // all n members, in the order of the key
	Self      protocol.PeerID
	PreParams *PreParams // ECDSA: a fresh set, used up by NewKeygen; EdDSA: nil
	// Cores is on how many goroutines the library verifies the proofs of an ECDSA keygen;
	// 0: GOMAXPROCS.
	Cores int
}

// Validate checks everything but the numbers in the pre-parameters.
func (c *KeygenConfig) Validate() error {
	if _, err := suiteOf(c.Scheme); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	t := protocol.Threshold{T: c.Threshold, N: len(c.Roster)}
	if err := t.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if err := validateRoster(c.Roster, c.Self); err != nil {
		return err
	}
	if c.Cores < 0 {
		return fmt.Errorf("%w: %d cores", ErrConfig, c.Cores)
	}
	if needs := c.Scheme == protocol.ECDSA; needs != (c.PreParams != nil) {
		return fmt.Errorf("%w: pre-parameters are for ECDSA, and it needs them", ErrConfig)
	}
	return nil
}

// SignConfig sets up one signer.
type SignConfig struct {
	SID     protocol.SID
	Roster  []protocol.Member // exactly t members of the key
	Self    protocol.PeerID   // whose share it is
	Share   *Share
	Payload []byte // ECDSA: a digest of 32 bytes; EdDSA: the message, 1 byte to 32 KiB
}

// Validate checks the roster against the key and the payload against the scheme.
func (c *SignConfig) Validate() error {
	if err := c.validateSigners(); err != nil {
		return err
	}
	return c.validatePayload()
}

// validateSigners checks the roster against the key.
func (c *SignConfig) validateSigners() error {
	if c.Share == nil {
		return fmt.Errorf("%w: there is no share", ErrConfig)
	}
	if err := validateRoster(c.Roster, c.Self); err != nil {
		return err
	}
	t := c.Share.Threshold()
	if len(c.Roster) != t.T {
		return fmt.Errorf("%w: a %v key is signed for by exactly %d members, not %d", ErrConfig, t, t.T, len(c.Roster))
	}
	if own := c.Share.Self(); own != c.Self {
		return fmt.Errorf("%w: the share is of %s, not of %s", ErrConfig, own, c.Self)
	}
	for _, m := range c.Roster {
		if c.Share.index(m.Peer) < 0 {
			return fmt.Errorf("%w: %s has no share of this key", ErrConfig, m.Peer)
		}
	}
	return nil
}

func (c *SignConfig) validatePayload() error {
	n := len(c.Payload)
	switch {
	case c.Share.Scheme() == protocol.ECDSA && n != protocol.DigestSize:
		return fmt.Errorf("%w: an ECDSA digest has %d bytes, not %d", ErrConfig, protocol.DigestSize, n)
	case n == 0 || n > protocol.MaxMessage:
		return fmt.Errorf("%w: a message has 1 to %d bytes, not %d", ErrConfig, protocol.MaxMessage, n)
	}
	return nil
}

var errSelf = errors.New("the roster does not name this party")

func validateRoster(members []protocol.Member, self protocol.PeerID) error {
	seen := make(map[protocol.PeerID]bool, len(members))
	for _, m := range members {
		if m.Peer == "" || seen[m.Peer] {
			return fmt.Errorf("%w: the roster names %q twice or not at all", ErrConfig, m.Peer)
		}
		seen[m.Peer] = true
	}
	if !seen[self] {
		return fmt.Errorf("%w: %w", ErrConfig, errSelf)
	}
	return nil
}
