package protocol

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// SpecVersion is the version of the Spec format.
const SpecVersion = 1

// Spec is everything that a session is about. Every member of the roster gets
// the same one, checks it, and derives the session id from it.
type Spec struct {
	Version   uint8  `cbor:"1,keyasint"`
	Network   string `cbor:"2,keyasint"`
	Kind      Kind   `cbor:"3,keyasint"`
	Session   string `cbor:"4,keyasint"` // the API's session id, the same for all attempts
	Attempt   uint32 `cbor:"5,keyasint"` // from 1
	Account   string `cbor:"6,keyasint"`
	Key       string `cbor:"7,keyasint"` // the API id of the session that made the key
	Epoch     uint32 `cbor:"8,keyasint"` // resharing generation, from 0
	Scheme    Scheme `cbor:"9,keyasint"`
	Threshold int    `cbor:"10,keyasint"` // t: signers needed
	// Roster is ordered. Keygen: all n members. Sign: the t signers, in the
	// order of the key's roster.
	Roster        []Member  `cbor:"11,keyasint"`
	Payload       []byte    `cbor:"12,keyasint"` // sign: the digest (ECDSA, 32 bytes) or message (EdDSA)
	Path          []uint32  `cbor:"13,keyasint"` // BIP-32 derivation path; empty: the key itself
	Expires       int64     `cbor:"14,keyasint"` // Unix seconds; the attempt ends then
	Approvers     Approvers `cbor:"15,keyasint"` // keygen: fixes them; sign: the key's
	Authorisation []string  `cbor:"16,keyasint"` // JWS of the approvers, see Approval
	Coordinator   PeerID    `cbor:"17,keyasint"` // who proposed it and is told the outcome
	Owner         string    `cbor:"18,keyasint"` // the user id of the account
	// Recipient is the X25519 key (32 bytes) to which a keygen's delegate seals the
	// user's share; empty: the first request for the share names one, or none.
	Recipient []byte `cbor:"19,keyasint,omitempty"`
	// Presign, in an ECDSA signing, is the sid (32 bytes) of the presigning whose result
	// this session uses up: it begins in round 4. Empty: all rounds.
	Presign []byte `cbor:"20,keyasint,omitempty"`
	// HoldUntil, in a presigning, is when its members forget the result, Unix seconds:
	// after Expires, by at most MaxHold.
	HoldUntil int64 `cbor:"21,keyasint,omitempty"`
}

// MaxHold bounds for how long a presigning's result is held.
const MaxHold = 24 * time.Hour

// ErrSpec reports a spec that breaks a rule; the message says which.
var ErrSpec = errors.New("invalid session spec")

// SID returns the session id: the hash of the canonical encoding.
func (s *Spec) SID() SID {
	b, err := Marshal(s)
	if err != nil {
		return SID{} // cannot happen: see Marshal
	}
	return SID(hash("mpc/spec/v1", b))
}

// Peers returns the roster's peer ids, in order.
func (s *Spec) Peers() []PeerID {
	peers := make([]PeerID, len(s.Roster))
	for i, m := range s.Roster {
		peers[i] = m.Peer
	}
	return peers
}

// Deadline returns Expires as a time.
func (s *Spec) Deadline() time.Time { return time.Unix(s.Expires, 0) }

// Validate checks everything that can be checked without knowing the key, the
// clock or the network.
func (s *Spec) Validate() error {
	switch {
	case s.Version != SpecVersion:
		return fmt.Errorf("%w: version %d, this node speaks %d", ErrSpec, s.Version, SpecVersion)
	case s.Network == "", s.Session == "", s.Account == "", s.Key == "", s.Coordinator == "":
		return fmt.Errorf("%w: network, session, account, key and coordinator must be named", ErrSpec)
	case s.Attempt == 0:
		return fmt.Errorf("%w: attempts count from 1", ErrSpec)
	case s.Expires <= 0:
		return fmt.Errorf("%w: it must say when it expires", ErrSpec)
	case s.Scheme != ECDSA && s.Scheme != EdDSA:
		return fmt.Errorf("%w: %w", ErrSpec, ErrScheme)
	case len(s.Path) != 0:
		return fmt.Errorf("%w: derivation paths are not supported by this version", ErrSpec)
	}
	if err := validateRoster(s.Roster); err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	switch s.Kind {
	case KindKeygen:
		return s.validateKeygen()
	case KindSign:
		return s.validateSign()
	case KindPresign:
		return s.validatePresign()
	}
	return fmt.Errorf("%w: unknown kind %q", ErrSpec, s.Kind)
}

var errHoldUntil = fmt.Errorf("%w: only what a presigning makes is held", ErrSpec)

// validateRoster checks that every member has a name of its own and a role, and
// that there is at most one user's share.
func validateRoster(roster []Member) error {
	seen := make(map[PeerID]bool)
	delegates := 0
	for i, m := range roster {
		if m.Peer == "" || (m.Role != Persistent && m.Role != Delegate && m.Role != External) {
			return fmt.Errorf("member %d of the roster has no peer id or an unknown role", i)
		}
		if seen[m.Peer] {
			return errors.New("a peer is in the roster twice")
		}
		seen[m.Peer] = true
		if m.Role == Delegate {
			delegates++
		}
	}
	if delegates > 1 {
		return errors.New("the roster has more than one delegate")
	}
	return nil
}

// hasDelegate tells whether somebody takes part for a user.
func (s *Spec) hasDelegate() bool {
	return slices.ContainsFunc(s.Roster, func(m Member) bool { return m.Role == Delegate })
}

// validateRecipient checks whom a keygen's delegate is to seal the share to.
func (s *Spec) validateRecipient() error {
	if len(s.Recipient) == 0 {
		return nil
	}
	if !s.hasDelegate() {
		return fmt.Errorf("%w: it names a recipient of a user's share, and no member is a delegate", ErrSpec)
	}
	if err := CheckRecipient(s.Recipient); err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return nil
}

func (s *Spec) validateKeygen() error {
	t := Threshold{T: s.Threshold, N: len(s.Roster)}
	if err := t.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	switch {
	case len(s.Payload) != 0:
		return fmt.Errorf("%w: a keygen has no payload", ErrSpec)
	case len(s.Presign) != 0:
		return fmt.Errorf("%w: a keygen uses no presignature", ErrSpec)
	case s.HoldUntil != 0:
		return errHoldUntil
	case s.Key != s.Session:
		return fmt.Errorf("%w: a keygen names its own session as the key", ErrSpec)
	case s.Epoch != 0:
		return fmt.Errorf("%w: a keygen makes epoch 0", ErrSpec)
	}
	if err := s.Approvers.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	return s.validateRecipient()
}

// validateSigners checks what signing and presigning have in common.
func (s *Spec) validateSigners() error {
	switch {
	case len(s.Recipient) != 0:
		return fmt.Errorf("%w: a signing has no recipient", ErrSpec)
	case s.Threshold < MinThreshold || s.Threshold > MaxParties || len(s.Roster) != s.Threshold:
		return fmt.Errorf("%w: signing takes exactly t members, %d ≤ t ≤ %d", ErrSpec, MinThreshold, MaxParties)
	}
	return nil
}

// validatePresign checks a presigning: nobody's approval is asked for, because nothing
// that it makes is of use before a signing, with its approvals, is bound to it.
func (s *Spec) validatePresign() error {
	if err := s.validateSigners(); err != nil {
		return err
	}
	switch {
	case s.Scheme != ECDSA:
		return fmt.Errorf("%w: only ECDSA keys presign: EdDSA has no costly rounds", ErrSpec)
	case len(s.Payload) != 0, len(s.Authorisation) != 0, len(s.Presign) != 0:
		return fmt.Errorf("%w: a presigning has no payload and no approvals", ErrSpec)
	case !s.standing():
		return fmt.Errorf("%w: only parties that keep their shares presign", ErrSpec)
	case s.HoldUntil <= s.Expires || s.HoldUntil-s.Expires > int64(MaxHold/time.Second):
		return fmt.Errorf("%w: a presigning must say until when its result is held, after it expires and by at most %v", ErrSpec, MaxHold)
	}
	return nil
}

// standing tells whether all members keep their shares, so that the same ones may
// sign again and again.
func (s *Spec) standing() bool {
	return !slices.ContainsFunc(s.Roster, func(m Member) bool { return m.Role != Persistent })
}

func (s *Spec) validateSign() error {
	if err := s.validateSigners(); err != nil {
		return err
	}
	switch {
	case s.HoldUntil != 0:
		return errHoldUntil
	case s.Scheme == ECDSA && len(s.Payload) != DigestSize:
		return fmt.Errorf("%w: an ECDSA digest has %d bytes, not %d", ErrSpec, DigestSize, len(s.Payload))
	case len(s.Payload) == 0 || len(s.Payload) > MaxMessage:
		return fmt.Errorf("%w: a message has 1 to %d bytes", ErrSpec, MaxMessage)
	case len(s.Presign) != 0 && (len(s.Presign) != len(SID{}) || s.Scheme != ECDSA || !s.standing()):
		return fmt.Errorf("%w: a presignature is named by %d bytes, for an ECDSA key and parties that keep their shares", ErrSpec, len(SID{}))
	}
	return nil
}
