package protocol

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/mr-tron/base58"
)

// ErrPeerID reports text that is not the peer id of an Ed25519 key.
var ErrPeerID = errors.New("not the peer id of an Ed25519 key")

// peerPrefix is what comes before the key's 32 bytes in a peer id: a multihash
// of the identity function (0x00) over 36 bytes (0x24), which are the key as
// libp2p encodes it: type 1, Ed25519 (0x08 0x01), and 32 bytes (0x12 0x20).
var peerPrefix = []byte{0x00, 0x24, 0x08, 0x01, 0x12, 0x20}

// maxPeerID is more characters than any peer id of an Ed25519 key has, which is
// 52. Decoding base58 takes time that grows with the square of the length.
const maxPeerID = 64

// PeerKey returns the Ed25519 public key inside a peer id. It allows the one
// form that PeerIDOf writes; anything else is ErrPeerID.
func PeerKey(id PeerID) (ed25519.PublicKey, error) {
	if len(id) > maxPeerID {
		return nil, fmt.Errorf("%w: it has %d characters", ErrPeerID, len(id))
	}
	raw, err := base58.Decode(id)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrPeerID, id, err)
	}
	key, ok := bytes.CutPrefix(raw, peerPrefix)
	if !ok || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: %q", ErrPeerID, id)
	}
	return key, nil
}

// PeerIDOf returns the peer id of an Ed25519 public key, or "" when pub does not
// have the length of one.
func PeerIDOf(pub ed25519.PublicKey) PeerID {
	if len(pub) != ed25519.PublicKeySize {
		return ""
	}
	return base58.Encode(append(bytes.Clone(peerPrefix), pub...))
}

// VerifyPeer tells whether sig is the Ed25519 signature (RFC 8032) of data by
// the key inside the peer id. It is false for a malformed id. It is the Verifier
// of whoever checks certificates and statements without a node.
func VerifyPeer(id PeerID, data, sig []byte) bool {
	key, err := PeerKey(id)
	return err == nil && len(sig) == ed25519.SignatureSize && ed25519.Verify(key, data, sig)
}
