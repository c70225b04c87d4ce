package chain

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/sha3"
)

// Names of hashes, see the package's table.
const (
	None      = "none"
	SHA256    = "sha256"
	Keccak256 = "keccak256"
	EIP191    = "eip191"
)

// ErrHash reports the name of a hash that this version does not know.
var ErrHash = errors.New("unknown hash: use " + strings.Join(Hashes(), ", "))

// Hashes returns the names of the hashes that Hash knows.
func Hashes() []string { return []string{None, SHA256, Keccak256, EIP191} }

// Hash returns what a key signs for a message under the named hash: 32 bytes,
// or with None a copy of the message. The name must be given; an unknown one is
// ErrHash.
func Hash(name string, message []byte) ([]byte, error) {
	switch name {
	case None:
		return slices.Clone(message), nil
	case SHA256:
		sum := sha256.Sum256(message)
		return sum[:], nil
	case Keccak256:
		return keccak256(message), nil
	case EIP191:
		return keccak256([]byte("\x19Ethereum Signed Message:\n"+strconv.Itoa(len(message))), message), nil
	}
	return nil, fmt.Errorf("%w, not %q", ErrHash, name)
}

// keccak256 hashes parts as one message.
func keccak256(parts ...[]byte) []byte {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		_, _ = h.Write(p) // a hash takes everything
	}
	return h.Sum(nil)
}
