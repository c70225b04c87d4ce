package tss

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"
	"slices"

	"github.com/bnb-chain/tss-lib/v2/crypto"

	"github.com/meshmpc/mpcd/protocol"
)

// Share is one party's part of a key, of either scheme, with the public data of
// all parties. It is never changed after it was made or decoded; signing works on
// copies, so several ceremonies may use one share at a time.
//
// It keeps no more secrets than signing needs: x_i and the primes of the own
// Paillier modulus, not the factors of the own Ñ or the logarithm of h2.
type Share struct {
	suite     *suite
	threshold int
	self      int     // index into parties
	parties   []party // in the order of the key's roster
	public    *crypto.ECPoint
	xi        *big.Int
	p, q      *big.Int // ECDSA: primes of parties[self].n
}

// party is what everyone knows of one party of a key.
type party struct {
	peer protocol.PeerID
	key  *big.Int        // k_j, where the polynomial is evaluated
	bigX *crypto.ECPoint // X_j = x_j·G

	// ECDSA only.
	n      *big.Int // Paillier modulus
	nTilde *big.Int
	h1, h2 *big.Int
}

// Scheme returns the signature scheme.
func (s *Share) Scheme() protocol.Scheme { return s.suite.scheme }

// Threshold returns t-of-n.
func (s *Share) Threshold() protocol.Threshold {
	return protocol.Threshold{T: s.threshold, N: len(s.parties)}
}

// Self returns whose share this is.
func (s *Share) Self() protocol.PeerID { return s.parties[s.self].peer }

// Peers returns the parties in the order of the key's roster.
func (s *Share) Peers() []protocol.PeerID {
	peers := make([]protocol.PeerID, len(s.parties))
	for i := range s.parties {
		peers[i] = s.parties[i].peer
	}
	return peers
}

// PublicKey returns 33 bytes, SEC 1 compressed (ECDSA), or 32 bytes, RFC 8032
// (EdDSA).
func (s *Share) PublicKey() []byte { return s.suite.encodePoint(s.public.X(), s.public.Y()) }

// PublicHash identifies the key with everything public about it: the same at all
// its parties.
func (s *Share) PublicHash() [32]byte {
	b, err := protocol.Marshal(s.wirePublic())
	if err != nil {
		return [32]byte{} // cannot happen: the type always encodes
	}
	return sha256.Sum256(append([]byte(publicLabel+"\x00"), b...))
}

const publicLabel = "mpc/tss/public/v1"

// index returns the place of a peer among the parties, -1 if it is none.
func (s *Share) index(peer protocol.PeerID) int {
	return slices.IndexFunc(s.parties, func(p party) bool { return p.peer == peer })
}

// Format hides the secret from every verb of package fmt.
func (s *Share) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, fmt.Sprintf("tss.Share(%s %v of %x)", s.Scheme(), s.Threshold(), s.PublicKey()))
}
