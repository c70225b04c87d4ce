package client

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/chain"
)

// Key is a key as its members have certified it, which no coordinator can do
// for them.
type Key struct {
	Network   string
	Account   string
	Session   string // the keygen session
	Epoch     uint32
	Scheme    protocol.Scheme
	Threshold protocol.Threshold
	Roster    []protocol.Member
	PublicKey []byte // 33 bytes SEC 1 compressed (ECDSA), or 32 bytes RFC 8032 (EdDSA)
	Approvers [32]byte
}

// VerifyCertificate checks a key certificate (canonical CBOR) and the signatures
// of all members. Errors are ErrVerification. Anybody can make a certificate of
// members of their own: see Trust and Pins.
func VerifyCertificate(encoded []byte) (*Key, error) {
	var c protocol.Certificate
	if err := protocol.Unmarshal(encoded, &c); err != nil {
		return nil, refuted("key certificate: %w", err)
	}
	if err := c.Verify(protocol.VerifyPeer); err != nil {
		return nil, refuted("%w", err)
	}
	b := c.Body
	k := &Key{
		Network: b.Network, Account: b.Account, Session: b.Key, Epoch: b.Epoch, Scheme: b.Scheme,
		Threshold: protocol.Threshold{T: b.Threshold, N: len(b.Roster)}, Roster: b.Roster, PublicKey: b.PublicKey, Approvers: b.Approvers,
	}
	if _, err := chain.AddressesOf(k.Scheme, k.PublicKey); err != nil {
		return nil, refuted("key certificate: %w", err)
	}
	return k, nil
}

// VerifyAccount checks an account's certificate, and that what the account says
// of its key is what the certificate says: scheme, threshold, custody, public key,
// members, addresses, approvers; and that it is active, as an account with a
// certificate is. Errors are ErrVerification.
//
// No certificate says whose account it is (UserID), or whether its approvers are
// users or the network's approver key (Approval.By): that takes knowing their keys,
// see Wanted.Approvers. Names, labels, signing parties and the seal key are the
// coordinator's word.
func VerifyAccount(a *rest.Account) (*Key, error) {
	if a.Certificate == nil {
		return nil, refuted("account %s has no key certificate", a.ID)
	}
	k, err := VerifyCertificateView(a.Certificate)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct{ name, says, is string }{
		{"account", a.ID, k.Account},
		{"keygen session", a.KeygenSessionID, k.Session},
		{"scheme", a.Scheme, string(k.Scheme)},
		{"custody", a.Custody, k.custody()},
		{"threshold", fmt.Sprintf("%d-of-%d", a.ThresholdT, a.ThresholdN), k.Threshold.String()},
		{"public key", a.PublicKey, hex.EncodeToString(k.PublicKey)},
	} {
		if f.says != f.is {
			return nil, refuted("account %s: %s is %q, and %q in the key certificate", a.ID, f.name, f.says, f.is)
		}
	}
	if a.Status != "active" {
		return nil, refuted("account %s has a key certificate of all members, and is said to be %q", a.ID, a.Status)
	}
	if err := k.describes(a); err != nil {
		return nil, err
	}
	return k, nil
}

// describes compares members, approvers and addresses.
func (k *Key) describes(a *rest.Account) error {
	if err := k.approvedBy(a); err != nil {
		return err
	}
	if !slices.EqualFunc(a.Parties, k.Roster, func(p rest.PartyName, m protocol.Member) bool {
		return p.PeerID == m.Peer && (p.Role == "" || p.Role == string(m.Role))
	}) {
		return refuted("account %s: its parties are not the members in the key certificate", a.ID)
	}
	if a.Addresses == nil {
		return nil
	}
	is, err := chain.AddressesOf(k.Scheme, k.PublicKey)
	if err != nil {
		return refuted("%w", err)
	}
	says := chain.Addresses{
		Ethereum: a.Addresses.Ethereum, Bitcoin: a.Addresses.Bitcoin, BitcoinTestnet: a.Addresses.BitcoinTestnet, Solana: a.Addresses.Solana,
	}
	if says != is {
		return refuted("account %s: its addresses are not those of its key", a.ID)
	}
	return nil
}

// approvedBy compares the approvers that the account names with those that the key
// was made with.
func (k *Key) approvedBy(a *rest.Account) error {
	says, err := parseApprovers(&rest.Approvers{M: a.Approval.M, Keys: a.Approval.PublicKeys})
	if err != nil {
		return refuted("account %s: who approves its signatures cannot be checked: %w", a.ID, err)
	}
	if hash := says.Hash(); hash != k.Approvers {
		return refuted("account %s: its approvers (hash %x) are not those that the key was made with (hash %x)", a.ID, hash, k.Approvers)
	}
	ids := make([]string, len(says.Keys))
	for i, key := range says.Keys {
		ids[i] = protocol.ApproverID(key)
	}
	slices.Sort(ids)
	if !slices.Equal(ids, slices.Sorted(slices.Values(a.Approval.Keys))) {
		return refuted("account %s: the ids of its approvers are not those of their keys", a.ID)
	}
	return nil
}

// Verify checks a signature (64 bytes) of a message that the named hash
// (package chain; "" is none) was applied to. Errors are ErrVerification.
func (k *Key) Verify(message []byte, hash string, signature []byte) error {
	digest, err := Digest(hash, message)
	if err != nil {
		return err
	}
	if err := protocol.VerifySignature(k.Scheme, k.PublicKey, digest, signature); err != nil {
		return refuted("%w", err)
	}
	return nil
}

// Digest returns the bytes that a key signs: the message under the named hash; ""
// is none.
func Digest(hash string, message []byte) ([]byte, error) {
	if hash == "" {
		hash = chain.None
	}
	return chain.Hash(hash, message)
}

// equalHex tells whether text is data in hex, lower case.
func equalHex(text string, data []byte) bool { return text == hex.EncodeToString(data) }

// same tells whether two keys are one and the same, whatever the epoch is: a
// resharing changes members and threshold, never the key.
func (k *Key) same(other *Key) bool {
	return k.Network == other.Network && k.Scheme == other.Scheme && k.Session == other.Session && bytes.Equal(k.PublicKey, other.PublicKey)
}
