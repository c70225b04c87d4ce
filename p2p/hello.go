package p2p

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// MaxHello is the size of a hello frame in bytes, at most.
const MaxHello = 8 << 10

// helloProtocol is the same in every network, so that a peer of another network
// learns why it is refused.
const helloProtocol protocol.ID = "/mpc/hello/1"

// hello is what each side tells the other before anything else. One with a
// refusal ends the exchange; an empty one accepts.
type hello struct {
	Credential string `cbor:"1,keyasint,omitempty"`
	Boot       uint64 `cbor:"2,keyasint,omitempty"`
	Software   string `cbor:"3,keyasint,omitempty"`
	Refusal    string `cbor:"4,keyasint,omitempty"` // a key of refusalCodes
}

var (
	helloEncoding = mustEncMode()
	helloDecoding = mustDecMode()
)

func mustEncMode() cbor.EncMode {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic(err) // constant options
	}
	return mode
}

// Unknown keys are ignored, so that later versions can say more.
func mustDecMode() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		MaxNestedLevels: 4, MaxMapPairs: 16, MaxArrayElements: 16,
	}.DecMode()
	if err != nil {
		panic(err) // constant options
	}
	return mode
}

func (h hello) encode() ([]byte, error) { return helloEncoding.Marshal(h) }

func decodeHello(data []byte) (hello, error) {
	var h hello
	if err := helloDecoding.Unmarshal(data, &h); err != nil {
		return hello{}, fmt.Errorf("%w (hello: %w)", ErrCredentialMalformed, err)
	}
	if len(h.Software) > maxName {
		return hello{}, fmt.Errorf("%w (hello: software version of %d bytes)", ErrCredentialMalformed, len(h.Software))
	}
	return h, nil
}

// refusal is what a received hello refuses us for, or nil.
func (h hello) refusal() error {
	if h.Refusal == "" {
		return nil
	}
	if reason, known := refusalCodes[h.Refusal]; known {
		return reason
	}
	return fmt.Errorf("%w (code %.20q)", ErrCredentialMalformed, h.Refusal)
}

// judge tells whether the hello of a peer, whose id the transport proved, makes
// it a member.
func (h hello) judge(authority ed25519.PublicKey, network string, from PeerID, now time.Time) (Member, error) {
	m, err := verifyToken(authority, network, h.Credential, now)
	if err != nil {
		return Member{}, err
	}
	if m.Peer != from {
		return Member{}, fmt.Errorf("%w (it is for %s)", ErrCredentialWrongPeer, m.Peer)
	}
	return m, nil
}
