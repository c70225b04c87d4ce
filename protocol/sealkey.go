package protocol

import "fmt"

// SealKeyVersion is the version of the SealKey format.
const SealKeyVersion = 1

// SealKey says that a key is a delegate's: users seal their shares to it, for
// PurposeSign. The delegate signs it, so that nobody between it and the user can
// put another key in its place.
type SealKey struct {
	Version uint8  `cbor:"1,keyasint"`
	Network string `cbor:"2,keyasint"`
	Peer    PeerID `cbor:"3,keyasint"`
	Key     []byte `cbor:"4,keyasint"` // X25519, RecipientSize bytes
	Expires int64  `cbor:"5,keyasint"` // Unix seconds; it may be gone earlier: the delegate has it in memory only
}

// SignedSealKey is the wire form.
type SignedSealKey struct {
	Body      SealKey `cbor:"1,keyasint"`
	Signature []byte  `cbor:"2,keyasint"`
}

func (k *SealKey) signed() []byte {
	enc, err := Marshal(k)
	if err != nil {
		return nil // cannot happen: see Marshal
	}
	sum := hash("mpc/sealkey/v1", enc)
	return sum[:]
}

// SignSealKey fills version and peer, signs and encodes.
func SignSealKey(s Signer, k SealKey) ([]byte, error) {
	k.Version, k.Peer = SealKeyVersion, s.ID()
	if err := CheckRecipient(k.Key); err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return Marshal(SignedSealKey{Body: k, Signature: s.Sign(k.signed())})
}

// OpenSealKey decodes a statement and verifies its signature. The caller checks
// that Network, Peer and Expires are what it expects.
func OpenSealKey(statement []byte, verify Verifier) (*SealKey, error) {
	var s SignedSealKey
	if err := Unmarshal(statement, &s); err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	if s.Body.Version != SealKeyVersion {
		return nil, fmt.Errorf("seal key: %w: version %d, this program speaks %d", ErrEncoding, s.Body.Version, SealKeyVersion)
	}
	if !verify(s.Body.Peer, s.Body.signed(), s.Signature) {
		return nil, fmt.Errorf("seal key: %w", ErrSignature)
	}
	if err := CheckRecipient(s.Body.Key); err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return &s.Body, nil
}
