package protocol

import "fmt"

// HeartbeatVersion is the version of the Heartbeat format.
const HeartbeatVersion = 1

// Heartbeat says that a party is alive and what it can take. Parties publish it
// on the pool topic; coordinators build their view of the pool from it.
type Heartbeat struct {
	Version  uint8             `cbor:"1,keyasint"`
	Network  string            `cbor:"2,keyasint"`
	Peer     PeerID            `cbor:"3,keyasint"`
	Boot     uint64            `cbor:"4,keyasint"` // grows with every start of the node
	Seq      uint64            `cbor:"5,keyasint"` // grows with every heartbeat of a boot
	Time     int64             `cbor:"6,keyasint"` // the party's clock, Unix milliseconds
	Software string            `cbor:"7,keyasint"`
	Labels   map[string]string `cbor:"8,keyasint"`
	Sessions int               `cbor:"9,keyasint"`            // running
	Stock    int               `cbor:"10,keyasint"`           // fresh pre-parameters
	Keys     int               `cbor:"11,keyasint"`           // active shares
	Draining bool              `cbor:"12,keyasint"`           // takes no new session
	SealKey  []byte            `cbor:"13,keyasint,omitempty"` // an encoded SignedSealKey: users seal their shares to it
	Held     int               `cbor:"14,keyasint,omitempty"` // presignatures
}

// SignedHeartbeat is the wire form.
type SignedHeartbeat struct {
	Body      Heartbeat `cbor:"1,keyasint"`
	Signature []byte    `cbor:"2,keyasint"`
}

func (h *Heartbeat) signed() []byte {
	enc, err := Marshal(h)
	if err != nil {
		return nil // cannot happen: see Marshal
	}
	sum := hash("mpc/heartbeat/v1", enc)
	return sum[:]
}

// SealHeartbeat fills version and peer, signs and encodes.
func SealHeartbeat(s Signer, h Heartbeat) ([]byte, error) {
	h.Version, h.Peer = HeartbeatVersion, s.ID()
	return Marshal(SignedHeartbeat{Body: h, Signature: s.Sign(h.signed())})
}

// OpenHeartbeat decodes a heartbeat and verifies its signature.
func OpenHeartbeat(data []byte, verify Verifier) (*Heartbeat, error) {
	var s SignedHeartbeat
	if err := Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	if s.Body.Version != HeartbeatVersion {
		return nil, fmt.Errorf("heartbeat: %w: version %d, this node speaks %d", ErrEncoding, s.Body.Version, HeartbeatVersion)
	}
	if !verify(s.Body.Peer, s.Body.signed(), s.Signature) {
		return nil, fmt.Errorf("heartbeat: %w", ErrSignature)
	}
	return &s.Body, nil
}
