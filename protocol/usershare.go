package protocol

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// RecipientSize is the size of a key that user shares are sealed to: X25519,
// RFC 7748.
const RecipientSize = 32

// MaxUserShare bounds the data of a user's share, sealed or not, in bytes. The
// largest, of 32 ECDSA parties, has about 45 kB.
const MaxUserShare = 96 << 10

// Errors of user shares. Both are ErrUserShare.
var (
	ErrUserShare = errors.New("the user's share cannot be used")
	// ErrSealedToOther: whoever tries to open it has another key.
	ErrSealedToOther = fmt.Errorf("%w: it is sealed to another key", ErrUserShare)
)

// Purposes of a sealed share.
const (
	PurposeDeliver = "deliver" // from the delegate to the user, after a keygen
	PurposeSign    = "sign"    // from the user to the delegate, for one signing
)

// ShareBinding is what a sealed share is for; it opens under the same one only.
type ShareBinding struct {
	Network string `cbor:"1,keyasint"`
	Account string `cbor:"2,keyasint"`
	Key     string `cbor:"3,keyasint"`
	Epoch   uint32 `cbor:"4,keyasint"`
	Purpose string `cbor:"5,keyasint"`
	Digest  string `cbor:"6,keyasint"` // PurposeSign: as Approval.Digest has it; else empty
}

// BindingFor returns what a user's share is bound to in a session: its delivery
// after a keygen, or the one digest of a signing.
func BindingFor(s *Spec) ShareBinding {
	b := ShareBinding{Network: s.Network, Account: s.Account, Key: s.Key, Epoch: s.Epoch, Purpose: PurposeDeliver}
	if s.Kind == KindSign {
		b.Purpose, b.Digest = PurposeSign, approvalDigest(s)
	}
	return b
}

// info is HPKE's application-supplied information.
func (b ShareBinding) info() ([]byte, error) {
	if (b.Purpose != PurposeDeliver && b.Purpose != PurposeSign) || (b.Purpose == PurposeSign) != (b.Digest != "") {
		return nil, fmt.Errorf("%w: it is bound to purpose %q and digest %q", ErrUserShare, b.Purpose, b.Digest)
	}
	enc, err := Marshal(b)
	if err != nil {
		return nil, err
	}
	return append([]byte("mpc/usershare/v1\x00"), enc...), nil
}

// CheckRecipient refuses what is no X25519 key that anything could be sealed to:
// another size, or a point of small order (RFC 7748 §6.1).
func CheckRecipient(key []byte) error {
	pub, err := ecdh.X25519().NewPublicKey(key)
	if err != nil {
		return fmt.Errorf("recipient key: an X25519 key has %d bytes, not %d", RecipientSize, len(key))
	}
	any32 := bytes.Repeat([]byte{1}, RecipientSize)
	probe, err := ecdh.X25519().NewPrivateKey(any32)
	if err != nil {
		return err // cannot happen: every 32 bytes are a private key
	}
	if _, err := probe.ECDH(pub); err != nil {
		return errors.New("recipient key: it is a point of small order, which everybody could open")
	}
	return nil
}

// SealShare seals plain to an X25519 key with HPKE (RFC 9180), base mode,
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, no additional data. The
// result is the recipient's key, HPKE's encapsulated key (32 bytes each) and the
// ciphertext.
func SealShare(recipient []byte, bind ShareBinding, plain []byte) ([]byte, error) {
	if err := CheckRecipient(recipient); err != nil {
		return nil, err
	}
	info, err := bind.info()
	if err != nil {
		return nil, err
	}
	pub, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(recipient)
	if err != nil {
		return nil, fmt.Errorf("recipient key: %w", err)
	}
	sealed, err := hpke.Seal(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), info, plain)
	if err != nil {
		return nil, fmt.Errorf("seal a user's share: %w", err)
	}
	return append(bytes.Clone(recipient), sealed...), nil
}

// OpenShare opens what SealShare has sealed. The error is ErrSealedToOther, or
// another ErrUserShare when the share was altered or is bound to something else.
func OpenShare(priv *ecdh.PrivateKey, bind ShareBinding, sealed []byte) ([]byte, error) {
	if priv.Curve() != ecdh.X25519() {
		return nil, fmt.Errorf("%w: the private key is none of X25519", ErrUserShare)
	}
	if len(sealed) < 2*RecipientSize {
		return nil, fmt.Errorf("%w: it is too short", ErrUserShare)
	}
	if !bytes.Equal(sealed[:RecipientSize], priv.PublicKey().Bytes()) {
		return nil, ErrSealedToOther
	}
	info, err := bind.info()
	if err != nil {
		return nil, err
	}
	key, err := hpke.NewDHKEMPrivateKey(priv)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUserShare, err)
	}
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, sealed[RecipientSize:])
	if err != nil {
		return nil, fmt.Errorf("%w: it was altered, or sealed for another purpose, key or digest", ErrUserShare)
	}
	return plain, nil
}

// Prefixes of the text form.
const (
	sealedPrefix = "mpcshare-sealed-1."
	plainPrefix  = "mpcshare-plain-1."
)

// FormatShare returns the text form of a user's share: the prefix
// "mpcshare-sealed-1." for what SealShare returned, "mpcshare-plain-1." for an
// encoded KeyRecord, and the data in base64url (RFC 4648 §5) without padding.
func FormatShare(sealed bool, data []byte) string {
	prefix := plainPrefix
	if sealed {
		prefix = sealedPrefix
	}
	return prefix + base64.RawURLEncoding.EncodeToString(data)
}

// ParseShare reads the text form. It allows no white space and one spelling.
func ParseShare(text string) (sealed bool, data []byte, err error) {
	body, sealed := strings.CutPrefix(text, sealedPrefix)
	if !sealed {
		var plain bool
		if body, plain = strings.CutPrefix(text, plainPrefix); !plain {
			return false, nil, fmt.Errorf("%w: it begins with %s or %s", ErrUserShare, sealedPrefix, plainPrefix)
		}
	}
	if base64.RawURLEncoding.DecodedLen(len(body)) > MaxUserShare {
		return false, nil, fmt.Errorf("%w: it has more than %d bytes", ErrUserShare, MaxUserShare)
	}
	data, err = base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(data) == 0 || FormatShare(sealed, data) != text { // the decoder skips line ends
		return false, nil, fmt.Errorf("%w: the text is damaged: copy it again", ErrUserShare)
	}
	return sealed, data, nil
}

// OpenUserShare decodes the data of a user's share, a KeyRecord that a delegate
// has given out, and checks that it stands alone: as OpenKeyRecord does, and that
// the roster's delegate has signed all of it, with the secret (SignDelivery). It
// does not look into the secret.
func OpenUserShare(data []byte, verify Verifier) (*KeyRecord, error) {
	r, err := OpenKeyRecord(data, verify)
	if err != nil {
		return nil, err
	}
	if err := r.verifyDelivery(verify); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUserShare, err)
	}
	return r, nil
}

// OpenKeyRecord decodes a complete KeyRecord and checks its public part: the
// certificate is of the session that made the share, over the record's public
// data, and every member signed it. Nobody vouches for the secret, which only its
// owner can check, so that this is for records that a device has kept itself.
// Errors are ErrUserShare.
func OpenKeyRecord(data []byte, verify Verifier) (*KeyRecord, error) {
	var r KeyRecord
	if err := Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUserShare, err)
	}
	if r.Version != KeyRecordVersion {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", ErrUserShare, r.Version, KeyRecordVersion)
	}
	if err := r.verify(verify); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUserShare, err)
	}
	return &r, nil
}

// verify checks the public part of a complete record.
func (r *KeyRecord) verify(verify Verifier) error {
	if err := r.Spec.Validate(); err != nil {
		return err
	}
	if r.Spec.Kind != KindKeygen || r.Certificate == nil {
		return fmt.Errorf("%w: no key certificate", ErrEncoding)
	}
	want := NewCertificateBody(&r.Spec, &Result{PublicKey: r.PublicKey, PublicHash: r.PublicHash}, r.ChainCode)
	if !bytes.Equal(want.Signed(), r.Certificate.Body.Signed()) {
		return fmt.Errorf("%w: share and certificate are of different keys", ErrEncoding)
	}
	return r.Certificate.Verify(verify)
}
