package protocoltest

import (
	"crypto/ed25519"
	"crypto/sha256"

	"github.com/meshmpc/mpcd/protocol"
)

// Identity is a node's Ed25519 key; it implements protocol.Signer. Verify its
// signatures with protocol.VerifyPeer.
type Identity struct {
	Name string
	id   protocol.PeerID
	key  ed25519.PrivateKey
}

// NewIdentity returns the identity of a name, the same in every run: its seed is the
// SHA-256 of the name, which makes it a key for tests only.
func NewIdentity(name string) *Identity {
	seed := sha256.Sum256([]byte("protocoltest identity " + name))
	key := ed25519.NewKeyFromSeed(seed[:])
	return &Identity{Name: name, id: protocol.PeerIDOf(key.Public().(ed25519.PublicKey)), key: key}
}

// Identities returns n identities, of alice, bob and so on.
func Identities(n int) []*Identity {
	all := make([]*Identity, n)
	for i, m := range Members(n) {
		all[i] = NewIdentity(m.Peer)
	}
	return all
}

// ID returns the peer id of the key.
func (i *Identity) ID() protocol.PeerID { return i.id }

// Public returns the public key.
func (i *Identity) Public() ed25519.PublicKey { return i.key.Public().(ed25519.PublicKey) }

// Sign signs with the key.
func (i *Identity) Sign(data []byte) []byte { return ed25519.Sign(i.key, data) }
