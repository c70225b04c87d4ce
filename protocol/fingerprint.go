package protocol

import (
	"encoding/base32"
	"slices"
	"strings"
)

// fingerprintGroups of four base32 characters, 120 bits: whoever may choose the
// specs of two sessions needs about 2^60 tries to make two people see the same
// fingerprint for different ones.
const fingerprintGroups = 6

// Fingerprint returns what people compare to know that they take part in one and
// the same thing, without trusting who invited them: the first 120 bits of a hash
// over network, kind, session, account, owner, scheme, threshold, roster (peer ids
// and roles, in order), approvers and what is signed, as 6 groups of 4 base32
// characters (RFC 4648 §6), such as "MZXW 6YTB OI4T …". All attempts with the same
// roster have the same one.
func Fingerprint(s *Spec) string {
	digest := ""
	if s.Kind == KindSign {
		digest = approvalDigest(s)
	}
	enc, err := Marshal(struct {
		Network   string   `cbor:"1,keyasint"`
		Kind      Kind     `cbor:"2,keyasint"`
		Session   string   `cbor:"3,keyasint"`
		Account   string   `cbor:"4,keyasint"`
		Key       string   `cbor:"5,keyasint"`
		Epoch     uint32   `cbor:"6,keyasint"`
		Owner     string   `cbor:"7,keyasint"`
		Scheme    Scheme   `cbor:"8,keyasint"`
		Threshold int      `cbor:"9,keyasint"`
		Roster    []Member `cbor:"10,keyasint"`
		Approvers [32]byte `cbor:"11,keyasint"`
		Digest    string   `cbor:"12,keyasint"`
	}{s.Network, s.Kind, s.Session, s.Account, s.Key, s.Epoch, s.Owner, s.Scheme, s.Threshold, s.Roster, s.Approvers.Hash(), digest})
	if err != nil {
		return "" // cannot happen: see Marshal
	}
	sum := hash("mpc/roster/v1", enc)
	text := base32.StdEncoding.EncodeToString(sum[:])[:4*fingerprintGroups]
	return strings.Join(slices.Collect(chunks(text, 4)), " ")
}

// chunks ranges over the pieces of n bytes of s.
func chunks(s string, n int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for ; len(s) >= n; s = s[n:] {
			if !yield(s[:n]) {
				return
			}
		}
	}
}

// JoinStatement returns the 32 bytes that a device signs with the key of its
// peer id to join a session by invite: that it is this device, and that it has
// the code, whose SHA-256 is codeHash.
func JoinStatement(network, session string, peer PeerID, codeHash [32]byte) []byte {
	enc, err := Marshal(struct {
		Network string   `cbor:"1,keyasint"`
		Session string   `cbor:"2,keyasint"`
		Peer    PeerID   `cbor:"3,keyasint"`
		Code    [32]byte `cbor:"4,keyasint"`
	}{network, session, peer, codeHash})
	if err != nil {
		return nil // cannot happen: see Marshal
	}
	sum := hash("mpc/join/v1", enc)
	return sum[:]
}
