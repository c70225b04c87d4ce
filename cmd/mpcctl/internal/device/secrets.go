package device

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/meshmpc/mpcd/protocol"
)

// secretsVersion is the version of what master.age holds.
const secretsVersion = 1

// secrets are what master.age holds.
type secrets struct {
	Version  int    `json:"version"`
	PeerID   string `json:"peer_id"`
	Identity []byte `json:"identity"`   // Ed25519 seed
	Master   string `json:"master_key"` // hex
}

// newSecrets are those of a new folder of the device with this key.
func newSecrets(key ed25519.PrivateKey) *secrets {
	master := make([]byte, 32)
	rand.Read(master) //nolint:errcheck // never fails, see crypto/rand
	defer clear(master)
	return &secrets{
		Version: secretsVersion, PeerID: protocol.PeerIDOf(key.Public().(ed25519.PublicKey)),
		Identity: key.Seed(), Master: hex.EncodeToString(master),
	}
}

func (s *secrets) encode() ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the device's secrets: %w", err)
	}
	return data, nil
}

func decodeSecrets(data []byte) (*secrets, error) {
	var s secrets
	if err := decode(data, &s, secretsVersion); err != nil {
		return nil, err
	}
	if _, err := identityOf(s.Identity, s.PeerID); err != nil {
		return nil, err
	}
	return &s, nil
}

func (s *secrets) key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s.Identity) }

// identityOf is the key of a seed, which must be that of the peer id.
func identityOf(seed []byte, peer protocol.PeerID) (ed25519.PrivateKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: its identity key has %d bytes, not %d", ErrDamaged, len(seed), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	if protocol.PeerIDOf(key.Public().(ed25519.PublicKey)) != peer {
		return nil, fmt.Errorf("%w: its identity key is not that of its peer id", ErrDamaged)
	}
	return key, nil
}

// decode reads a JSON document whose field version says how to read the others.
func decode(data []byte, to any, version int) error {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%w: it holds something else", ErrForeign)
	}
	switch {
	case head.Version > version:
		return fmt.Errorf("%w: format version %d", ErrNewer, head.Version)
	case head.Version < 1:
		return fmt.Errorf("%w: it holds something else", ErrForeign)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("%w: it holds something else", ErrForeign)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: something follows its end", ErrDamaged)
	}
	return nil
}
