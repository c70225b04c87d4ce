package keystore

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

const keySize = 32 // bytes, of master key, KEK, DEK and salts

const hiddenKey = "MasterKey(hidden)"

// errMasterKey is one sentence for every malformed key and never repeats the input.
var errMasterKey = errors.New("must be 64 hexadecimal characters (32 bytes); make one with: openssl rand -hex 32")

// MasterKey is the 32-byte secret under which a node seals its records. It does not
// print, whatever the verb or encoder. The zero value is no key.
type MasterKey struct {
	// Two pointers deep, because fmt cannot call Format inside an unexported field: it
	// follows one pointer (%s there prints the bytes) and shows the second as an address.
	p **[keySize]byte
}

func newMasterKey() MasterKey {
	b := new([keySize]byte)
	return MasterKey{p: &b}
}

func (m MasterKey) bytes() []byte { return (*m.p)[:] }

// ParseMasterKey reads 64 hexadecimal characters of either case.
func ParseMasterKey(text string) (MasterKey, error) {
	if len(text) != 2*keySize {
		return MasterKey{}, errMasterKey
	}
	m := newMasterKey()
	if _, err := hex.Decode(m.bytes(), []byte(text)); err != nil {
		m.wipe()
		return MasterKey{}, errMasterKey // err would quote a character of the key
	}
	return m, nil
}

// IsZero reports whether m holds no key.
func (m MasterKey) IsZero() bool { return m.p == nil }

// String returns a fixed text without the key.
func (m MasterKey) String() string { return hiddenKey }

// Format writes the same fixed text for every verb.
func (m MasterKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hiddenKey) }

// MarshalText returns the same fixed text, for JSON, YAML and slog.
func (m MasterKey) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

func (m MasterKey) clone() MasterKey {
	c := newMasterKey()
	copy(c.bytes(), m.bytes())
	return c
}

// wipe overwrites the key, best effort.
func (m MasterKey) wipe() {
	if !m.IsZero() {
		clear(m.bytes())
	}
}

// derive is HKDF-SHA256 (RFC 5869) to 32 bytes.
func (m MasterKey) derive(salt []byte, info string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, m.bytes(), salt, info, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return key, nil
}
