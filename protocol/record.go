package protocol

import (
	"bytes"
	"fmt"
	"slices"
)

// CertificateBody is the public account of a key, as its members co-sign it.
// Anyone can check it offline against the peer ids it names.
type CertificateBody struct {
	Version    uint8    `cbor:"1,keyasint"`
	Network    string   `cbor:"2,keyasint"`
	Account    string   `cbor:"3,keyasint"`
	Key        string   `cbor:"4,keyasint"`
	Epoch      uint32   `cbor:"5,keyasint"`
	Scheme     Scheme   `cbor:"6,keyasint"`
	Threshold  int      `cbor:"7,keyasint"`
	Roster     []Member `cbor:"8,keyasint"`
	PublicKey  []byte   `cbor:"9,keyasint"`
	ChainCode  [32]byte `cbor:"10,keyasint"` // BIP-32
	PublicHash [32]byte `cbor:"11,keyasint"` // Result.PublicHash
	Approvers  [32]byte `cbor:"12,keyasint"` // Approvers.Hash
	SID        SID      `cbor:"13,keyasint"` // the attempt that made the epoch
}

// Certificate is a key certificate: Signatures[i] is by Body.Roster[i].
type Certificate struct {
	Body       CertificateBody `cbor:"1,keyasint"`
	Signatures [][]byte        `cbor:"2,keyasint"`
}

// CertificateVersion and RecordVersion are the versions of these formats.
const (
	CertificateVersion = 1
	RecordVersion      = 1
)

// NewCertificateBody describes the key that a keygen with this spec has made.
func NewCertificateBody(s *Spec, r *Result, chainCode [32]byte) CertificateBody {
	return CertificateBody{
		Version: CertificateVersion, Network: s.Network, Account: s.Account, Key: s.Key, Epoch: s.Epoch,
		Scheme: s.Scheme, Threshold: s.Threshold, Roster: slices.Clone(s.Roster), PublicKey: r.PublicKey,
		ChainCode: chainCode, PublicHash: r.PublicHash, Approvers: s.Approvers.Hash(), SID: s.SID(),
	}
}

// Signed returns the bytes that each member signs.
func (b *CertificateBody) Signed() []byte {
	enc, err := Marshal(b)
	if err != nil {
		return nil // cannot happen: see Marshal
	}
	sum := hash("mpc/certificate/v1", enc)
	return sum[:]
}

// validate checks what can be checked without a signature.
func (b *CertificateBody) validate() error {
	if b.Version != CertificateVersion {
		return fmt.Errorf("%w: version %d, this node speaks %d", ErrEncoding, b.Version, CertificateVersion)
	}
	if err := (Threshold{T: b.Threshold, N: len(b.Roster)}).Validate(); err != nil {
		return err
	}
	if err := validateRoster(b.Roster); err != nil { // one member must not sign as two
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	return nil
}

// Verify checks the body's form and that every member of the roster signed it.
func (c *Certificate) Verify(verify Verifier) error {
	if err := c.Body.validate(); err != nil {
		return fmt.Errorf("key certificate: %w", err)
	}
	if len(c.Signatures) != len(c.Body.Roster) {
		return fmt.Errorf("key certificate: %w: it must carry one signature a member", ErrEncoding)
	}
	data := c.Body.Signed()
	for i, m := range c.Body.Roster {
		if !verify(m.Peer, data, c.Signatures[i]) {
			return fmt.Errorf("key certificate: %w: member %s", ErrSignature, m.Peer)
		}
	}
	return nil
}

// CommitteeHash identifies who holds a key's shares: roster and threshold.
func CommitteeHash(threshold int, roster []Member) [32]byte {
	b, err := Marshal(struct {
		T int      `cbor:"1,keyasint"`
		R []Member `cbor:"2,keyasint"`
	}{threshold, roster})
	if err != nil {
		return [32]byte{} // cannot happen: see Marshal
	}
	return hash("mpc/committee/v1", b)
}

// ChainCode derives a key's BIP-32 chain code from one random contribution a
// member, in roster order. One honest contribution makes it unpredictable.
func ChainCode(sid SID, contributions [][]byte) [32]byte {
	return hash("mpc/chaincode/v1", sid[:], bytes.Join(contributions, nil))
}

// RecordBody is one party's account of how a session ended well. It repeats the
// spec so that a registry can be rebuilt from records alone.
type RecordBody struct {
	Version     uint8        `cbor:"1,keyasint"`
	Spec        Spec         `cbor:"2,keyasint"`
	Party       PeerID       `cbor:"3,keyasint"`
	Certificate *Certificate `cbor:"4,keyasint"` // keygen
	Signature   []byte       `cbor:"5,keyasint"` // sign: 64 bytes
	Recovery    byte         `cbor:"6,keyasint"` // sign, ECDSA
}

// Record is a RecordBody signed by its party.
type Record struct {
	Body      RecordBody `cbor:"1,keyasint"`
	Signature []byte     `cbor:"2,keyasint"`
}

func (b *RecordBody) signed() []byte {
	enc, err := Marshal(b)
	if err != nil {
		return nil // cannot happen: see Marshal
	}
	sum := hash("mpc/record/v1", enc)
	return sum[:]
}

// SignRecord fills version and party and signs.
func SignRecord(s Signer, body RecordBody) *Record {
	body.Version, body.Party = RecordVersion, s.ID()
	return &Record{Body: body, Signature: s.Sign(body.signed())}
}

// Verify checks the spec's rules, that the party is in its roster and signed the
// record, and that the outcome is one of the spec's kind: a certificate of this
// very session that verifies, or a signature. It does not check the session's
// signature and recovery id: VerifySignature does the first, with a public key
// that the caller trusts.
func (r *Record) Verify(verify Verifier) error {
	b := &r.Body
	if b.Version != RecordVersion {
		return fmt.Errorf("record: %w: version %d, this node speaks %d", ErrEncoding, b.Version, RecordVersion)
	}
	if err := b.Spec.Validate(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if !slices.Contains(b.Spec.Peers(), b.Party) {
		return fmt.Errorf("record: %w: party %s is not in the session's roster", ErrEncoding, b.Party)
	}
	if !verify(b.Party, b.signed(), r.Signature) {
		return fmt.Errorf("record: %w: party %s", ErrSignature, b.Party)
	}
	if b.Spec.Kind == KindKeygen {
		return b.verifyKeygen(verify)
	}
	if b.Certificate != nil || len(b.Signature) != SignatureSize || b.Recovery > 3 {
		return fmt.Errorf("record: %w: a signing's record carries a signature and its recovery id, nothing else", ErrEncoding)
	}
	return nil
}

func (b *RecordBody) verifyKeygen(verify Verifier) error {
	if b.Certificate == nil || len(b.Signature) != 0 || b.Recovery != 0 {
		return fmt.Errorf("record: %w: a keygen's record carries a certificate, nothing else", ErrEncoding)
	}
	c := &b.Certificate.Body
	want := NewCertificateBody(&b.Spec, &Result{PublicKey: c.PublicKey, PublicHash: c.PublicHash}, c.ChainCode)
	if !bytes.Equal(want.Signed(), c.Signed()) {
		return fmt.Errorf("record: %w: spec and certificate are of different sessions", ErrEncoding)
	}
	if err := b.Certificate.Verify(verify); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}
