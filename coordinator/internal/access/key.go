package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SecretPrefix begins every secret that is made here, so that scanners of
// repositories and logs can find one that got lost.
const SecretPrefix = "mpck_"

const (
	idPrefix    = "k_"
	idBytes     = 5  // 8 characters of base32
	secretBytes = 32 // 52 characters
	maxName     = 64 // bytes
)

// ErrName reports a key's name that cannot be used.
var ErrName = errors.New("unusable name of a key")

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Hash is the SHA-256 of a secret's text. In JSON it is 64 hexadecimal digits.
type Hash [sha256.Size]byte

// HashOf hashes a secret.
func HashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// MarshalText encodes a hash.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText decodes a hash.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("a hash has %d characters, not %d", hex.EncodedLen(len(h)), len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Key is what is known of an API key. Its secret is not.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes"`
	Hash    Hash      `json:"hash"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Revoked time.Time `json:"revoked,omitzero"` // zero: it is not
}

// NewKey asks for a key.
type NewKey struct {
	Name    string    // for people, at most 64 bytes without line breaks; several keys may share one
	Scopes  []string  // at least one
	Expires time.Time // zero: never
}

// newKey makes a key and its secret; now is the time of its making.
func newKey(req NewKey, now time.Time) (Key, string, error) {
	name := strings.TrimSpace(req.Name)
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, isControl) {
		return Key{}, "", fmt.Errorf("%w: %q: use 1 to %d bytes on one line", ErrName, req.Name, maxName)
	}
	scopes, err := CheckScopes(req.Scopes)
	if err != nil {
		return Key{}, "", err
	}
	secret := SecretPrefix + randomText(secretBytes)
	return Key{
		ID: idPrefix + randomText(idBytes), Name: name, Scopes: scopes, Hash: HashOf(secret),
		Created: now.UTC().Truncate(time.Second), Expires: req.Expires.UTC().Truncate(time.Second),
	}, secret, nil
}

// randomText returns n random bytes as base32; crypto/rand does not fail.
func randomText(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw)
	return base32Lower.EncodeToString(raw)
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// state reports why a key may not be used now, nil if it may.
func (k *Key) state(now time.Time) error {
	switch {
	case !k.Revoked.IsZero():
		return ErrRevoked
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return ErrExpired
	}
	return nil
}
