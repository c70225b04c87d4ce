package protocol

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// PeerID names a node: the text form of its libp2p peer id.
type PeerID = string

// Limits that hold for every session.
const (
	MinThreshold = 2         // a key that one party could use alone is no threshold key
	MaxParties   = 32        // members of a roster
	MaxMessage   = 32 << 10  // bytes of an EdDSA message
	DigestSize   = 32        // bytes of an ECDSA digest
	MaxEnvelope  = 200 << 10 // bytes of an encoded envelope; the largest round message has 175 kB
)

// SID identifies one attempt of a session: the hash of its Spec.
type SID [32]byte

// String returns the id as 64 hexadecimal digits.
func (s SID) String() string { return hex.EncodeToString(s[:]) }

// Short returns the first 8 digits, for logs.
func (s SID) Short() string { return hex.EncodeToString(s[:4]) }

// Kind is the ceremony that a session runs.
type Kind string

// Kinds of sessions.
const (
	KindKeygen  Kind = "keygen"
	KindSign    Kind = "sign"
	KindPresign Kind = "presign" // the rounds of an ECDSA signing that need no message yet
)

// Scheme is a signature scheme with its curve.
type Scheme string

// Schemes.
const (
	ECDSA Scheme = "ecdsa-secp256k1"
	EdDSA Scheme = "eddsa-ed25519"
)

// ErrScheme reports a scheme that this version does not know.
var ErrScheme = errors.New("unknown scheme: use ecdsa-secp256k1 or eddsa-ed25519")

// ParseScheme reads a scheme; the empty string means ECDSA.
func ParseScheme(s string) (Scheme, error) {
	switch Scheme(s) {
	case "", ECDSA:
		return ECDSA, nil
	case EdDSA:
		return EdDSA, nil
	}
	return "", fmt.Errorf("%w, not %q", ErrScheme, s)
}

// Role is the part a member plays in one session.
type Role string

// Roles: a persistent party keeps its share, a delegate takes part for a user
// and keeps nothing, an external party is a user's own device.
const (
	Persistent Role = "persistent"
	Delegate   Role = "delegate"
	External   Role = "external"
)

// Member is one party of a roster.
type Member struct {
	Peer PeerID `cbor:"1,keyasint"`
	Role Role   `cbor:"2,keyasint"`
}

// Threshold is written t-of-n; T is the number of signers needed.
type Threshold struct{ T, N int }

// String returns "t-of-n".
func (t Threshold) String() string { return strconv.Itoa(t.T) + "-of-" + strconv.Itoa(t.N) }

// ErrThreshold reports a threshold outside 2 ≤ t ≤ n ≤ MaxParties.
var ErrThreshold = errors.New("threshold is not possible")

// Validate checks 2 ≤ t ≤ n ≤ MaxParties.
func (t Threshold) Validate() error {
	switch {
	case t.T < MinThreshold:
		return fmt.Errorf("%w: %v needs at least %d signers", ErrThreshold, t, MinThreshold)
	case t.T > t.N:
		return fmt.Errorf("%w: %v asks for more signers than there are parties", ErrThreshold, t)
	case t.N > MaxParties:
		return fmt.Errorf("%w: %v has more than %d parties", ErrThreshold, t, MaxParties)
	}
	return nil
}

var thresholdForm = regexp.MustCompile(`^(\d{1,3})-of-(\d{1,3})$`)

// ParseThreshold reads the form "2-of-3".
func ParseThreshold(s string) (Threshold, error) {
	m := thresholdForm.FindStringSubmatch(s)
	if m == nil {
		return Threshold{}, fmt.Errorf("%w: %q is not of the form 2-of-3", ErrThreshold, s)
	}
	var t Threshold
	t.T, _ = strconv.Atoi(m[1]) // the form allows nothing that Atoi refuses
	t.N, _ = strconv.Atoi(m[2])
	return t, t.Validate()
}
