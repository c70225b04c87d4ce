package protocol

import (
	"errors"
	"fmt"
)

// EnvelopeVersion is the version of the Envelope format.
const EnvelopeVersion = 1

// Type says what the payload of an Envelope is.
type Type string

// Types of envelopes.
const (
	TypeReady   Type = "ready"   // I have joined the topic and see everyone on it
	TypeRound   Type = "round"   // a round message of the ceremony
	TypeDigest  Type = "digest"  // hash of what I have heard so far (echo broadcast)
	TypeConfirm Type = "confirm" // my share is on disk; payload: my signature on the certificate
	TypeAbort   Type = "abort"   // I have given up; payload: why
)

// Header is the signed part of an envelope. It carries the payload's hash, not
// the payload, so that two contradicting headers prove who signed both without
// revealing a share.
type Header struct {
	Version uint8    `cbor:"1,keyasint"`
	SID     SID      `cbor:"2,keyasint"`
	From    PeerID   `cbor:"3,keyasint"`
	To      PeerID   `cbor:"4,keyasint"` // empty: broadcast
	Type    Type     `cbor:"5,keyasint"`
	Round   int      `cbor:"6,keyasint"` // 0 outside of rounds
	Name    string   `cbor:"7,keyasint"` // message type of a round
	Seq     uint32   `cbor:"8,keyasint"` // counts the sender's envelopes of this session, from 1
	Hash    [32]byte `cbor:"9,keyasint"` // SHA-256 of the payload, see PayloadHash
}

// Envelope is one signed message of a session.
type Envelope struct {
	Header    Header `cbor:"1,keyasint"`
	Payload   []byte `cbor:"2,keyasint"`
	Signature []byte `cbor:"3,keyasint"` // Ed25519 by the node key of Header.From
}

// message is a round message as a machine takes it.
func (e *Envelope) message() Message {
	h := &e.Header
	return Message{Round: h.Round, Name: h.Name, From: h.From, To: h.To, Body: e.Payload}
}

// Signer is a node's identity.
type Signer interface {
	ID() PeerID
	Sign(data []byte) []byte
}

// Verifier reports whether sig is peer's signature on data. The key is part of
// the peer id.
type Verifier func(peer PeerID, data, sig []byte) bool

// Errors of envelopes.
var (
	ErrEnvelope  = errors.New("invalid envelope")
	ErrSignature = errors.New("signature does not verify")
)

// PayloadHash returns the hash that a header carries for a payload.
func PayloadHash(payload []byte) [32]byte { return hash("mpc/payload/v1", payload) }

// signed returns the bytes that the sender signs.
func (h Header) signed() []byte {
	b, err := Marshal(h)
	if err != nil {
		return nil // cannot happen: see Marshal
	}
	sum := hash("mpc/envelope/v1", b)
	return sum[:]
}

// Seal signs a message; it fills the header's version, sender and hash.
func Seal(s Signer, h Header, payload []byte) *Envelope {
	h.Version, h.From, h.Hash = EnvelopeVersion, s.ID(), PayloadHash(payload)
	return &Envelope{Header: h, Payload: payload, Signature: s.Sign(h.signed())}
}

// Encode returns the envelope's wire form, or an error if it is too large.
func (e *Envelope) Encode() ([]byte, error) {
	b, err := Marshal(e)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxEnvelope {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrEnvelope, len(b), MaxEnvelope)
	}
	return b, nil
}

// Opened is an envelope whose hash and signature have been verified. Only
// OpenEnvelope makes one, so that each is verified once, where it arrives.
type Opened struct{ envelope *Envelope }

// Header returns what the sender signed.
func (o *Opened) Header() *Header { return &o.envelope.Header }

// OpenEnvelope decodes an envelope and verifies hash and signature. It does not
// know whether the sender belongs to the session: Session does.
func OpenEnvelope(data []byte, verify Verifier) (*Opened, error) {
	e, err := DecodeEnvelope(data)
	if err != nil {
		return nil, err
	}
	return e.Open(verify)
}

// DecodeEnvelope decodes an envelope and verifies nothing: its header is a claim that
// anybody may have made. It is for those who look whether Open is worth its price.
func DecodeEnvelope(data []byte) (*Envelope, error) {
	if len(data) > MaxEnvelope {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrEnvelope, len(data), MaxEnvelope)
	}
	var e Envelope
	if err := Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	if e.Header.Version != EnvelopeVersion {
		return nil, fmt.Errorf("%w: version %d, this node speaks %d", ErrEnvelope, e.Header.Version, EnvelopeVersion)
	}
	return &e, nil
}

// Open verifies hash and signature of a decoded envelope, as OpenEnvelope does. The
// envelope must not be changed afterwards.
func (e *Envelope) Open(verify Verifier) (*Opened, error) {
	switch {
	case e.Header.Hash != PayloadHash(e.Payload):
		return nil, fmt.Errorf("%w: payload and header do not belong together", ErrEnvelope)
	case !verify(e.Header.From, e.Header.signed(), e.Signature):
		return nil, fmt.Errorf("%w: %w of %.64q", ErrEnvelope, ErrSignature, e.Header.From) // anyone may have written that name
	}
	return &Opened{e}, nil
}
