package tss

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/big"

	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
)

// roster maps the members of a ceremony to the library's parties. The library
// orders parties by key; its ids are never taken from the wire.
type roster struct {
	ids  tsslib.SortedPartyIDs
	self int // index into ids
	by   map[protocol.PeerID]*tsslib.PartyID
}

// newRoster gives each peer its key; the keys are distinct.
func newRoster(peers []protocol.PeerID, keys []*big.Int, self protocol.PeerID) *roster {
	r := &roster{by: make(map[protocol.PeerID]*tsslib.PartyID, len(peers))}
	ids := make(tsslib.UnSortedPartyIDs, len(peers))
	for i, p := range peers {
		ids[i] = tsslib.NewPartyID(p, p, keys[i])
		r.by[p] = ids[i]
	}
	r.ids = tsslib.SortPartyIDs(ids)
	r.self = r.by[self].Index
	return r
}

// peer returns who has an id of the library, empty if it is none of this roster.
func (r *roster) peer(id *tsslib.PartyID) protocol.PeerID {
	if id == nil || id.Index < 0 || id.Index >= len(r.ids) {
		return ""
	}
	return r.ids[id.Index].Id
}

func (r *roster) selfPeer() protocol.PeerID { return r.ids[r.self].Id }

// keyLabel and liftLabel separate the hashes below from all others.
const (
	keyLabel  = "mpc/tss/key/v1"
	liftLabel = "mpc/tss/lift/v1"
)

// partyKey returns the x-coordinate of a member's share: a hash of the keygen's
// session id, the peer id and the role, modulo q. The library derives its session
// identifier from these keys alone, so this is what ties it to the session.
func partyKey(sid protocol.SID, m protocol.Member, q *big.Int) *big.Int {
	h := sha256.New()
	h.Write([]byte(keyLabel))
	h.Write([]byte{0})
	h.Write(sid[:])
	for _, field := range []string{m.Peer, string(m.Role)} {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(field))) // #nosec G115 -- a peer id or role
		h.Write(size[:])
		h.Write([]byte(field))
	}
	k := new(big.Int).SetBytes(h.Sum(nil))
	return k.Mod(k, q)
}

// partyKeys returns the key of every member, distinct and not zero. That it fails
// has a probability of about 2^-240.
func partyKeys(sid protocol.SID, members []protocol.Member, q *big.Int) ([]*big.Int, error) {
	keys := make([]*big.Int, len(members))
	for i, m := range members {
		keys[i] = partyKey(sid, m, q)
	}
	if !distinctNonZero(keys, q) {
		return nil, fmt.Errorf("%w: two party keys collide, try another session id", ErrConfig)
	}
	return keys, nil
}

// distinctNonZero checks keys modulo q, as Lagrange interpolation needs them.
func distinctNonZero(keys []*big.Int, q *big.Int) bool {
	seen := make(map[string]bool, len(keys))
	for _, k := range keys {
		v := new(big.Int).Mod(k, q)
		if v.Sign() == 0 || seen[string(v.Bytes())] {
			return false
		}
		seen[string(v.Bytes())] = true
	}
	return true
}

// liftKeys returns k + q·H(sid) for every key. Arithmetic modulo q and the order
// of the keys stay the same, but the library's session identifier, which is a
// hash of the keys, becomes another one in every session.
func liftKeys(keys []*big.Int, sid protocol.SID, q *big.Int) []*big.Int {
	h := sha256.Sum256(append([]byte(liftLabel+"\x00"), sid[:]...))
	offset := new(big.Int).SetBytes(h[:])
	offset.Mul(offset, q)
	lifted := make([]*big.Int, len(keys))
	for i, k := range keys {
		lifted[i] = new(big.Int).Add(k, offset)
	}
	return lifted
}
