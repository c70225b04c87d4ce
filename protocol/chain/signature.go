package chain

import (
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/protocol"
)

// ErrForm reports bytes that are not a signature in the form they should have.
var ErrForm = errors.New("malformed signature")

const (
	recoverableSize = protocol.SignatureSize + 1
	ethereumBase    = 27 // Ethereum's v is this and the recovery id
	maxRecovery     = 3
	maxEthereum     = 1 // the largest recovery id with an Ethereum form
)

// Signature is an ECDSA signature over secp256k1 with the id of the nonce point
// that its r comes from. The zero value is none: make one with New or a parser.
type Signature struct {
	rs       [protocol.SignatureSize]byte
	recovery byte
}

// New checks 64 bytes r ‖ s and a recovery id of 0 to 3. It does not verify the
// signature.
func New(rs []byte, recovery byte) (Signature, error) {
	if _, _, err := scalars(rs); err != nil {
		return Signature{}, err
	}
	if recovery > maxRecovery {
		return Signature{}, fmt.Errorf("%w: the recovery id is %d: it is 0 to %d", ErrForm, recovery, maxRecovery)
	}
	return Signature{rs: [protocol.SignatureSize]byte(rs), recovery: recovery}, nil
}

// scalars reads r ‖ s and checks their ranges.
func scalars(rs []byte) (r, s secp256k1.ModNScalar, err error) {
	if len(rs) != protocol.SignatureSize {
		return r, s, fmt.Errorf("%w: it has %d bytes, not %d", ErrForm, len(rs), protocol.SignatureSize)
	}
	if r.SetByteSlice(rs[:32]) || s.SetByteSlice(rs[32:]) || r.IsZero() || s.IsZero() {
		return r, s, fmt.Errorf("%w: r or s is out of range", ErrForm)
	}
	if s.IsOverHalfOrder() {
		return r, s, fmt.Errorf("%w: s is above q/2 (BIP 62)", ErrForm)
	}
	return r, s, nil
}

// R returns r, 32 bytes.
func (g Signature) R() []byte { return g.rs[:32:32] }

// S returns s, 32 bytes.
func (g Signature) S() []byte { return g.rs[32:] }

// Recovery returns the recovery id, 0 to 3.
func (g Signature) Recovery() byte { return g.recovery }

// Compact returns r ‖ s, 64 bytes.
func (g Signature) Compact() []byte { return g.rs[:] }

// DER returns the signature in ASN.1 DER, at most 71 bytes.
func (g Signature) DER() []byte {
	var r, s secp256k1.ModNScalar
	r.SetByteSlice(g.rs[:32])
	s.SetByteSlice(g.rs[32:])
	return ecdsa.NewSignature(&r, &s).Serialize()
}

// RSV returns r ‖ s ‖ v with v the recovery id, 65 bytes.
func (g Signature) RSV() []byte { return append(g.rs[:], g.recovery) }

// Ethereum returns r ‖ s ‖ v with v = 27 or 28, 65 bytes; false if the recovery
// id is above 1, for which Ethereum has no form.
func (g Signature) Ethereum() ([]byte, bool) {
	if g.recovery > maxEthereum {
		return nil, false
	}
	return append(g.rs[:], ethereumBase+g.recovery), true
}

// Recover returns the public key (33 bytes SEC 1 compressed) under which the
// signature verifies for a digest of 32 bytes (SEC 1 §4.1.6). An error is
// protocol.ErrSignature.
func (g Signature) Recover(digest []byte) ([]byte, error) {
	if len(digest) != protocol.DigestSize {
		return nil, fmt.Errorf("%w: the digest has %d bytes, not %d", protocol.ErrSignature, len(digest), protocol.DigestSize)
	}
	const compressed = 4 // the library's form: 27, this, and the recovery id come first
	key, _, err := ecdsa.RecoverCompact(append([]byte{ethereumBase + compressed + g.recovery}, g.rs[:]...), digest)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", protocol.ErrSignature, err)
	}
	return key.SerializeCompressed(), nil
}

// ParseDER reads the DER form, which has no recovery id, and returns 64 bytes
// r ‖ s. Errors are ErrForm.
func ParseDER(der []byte) ([]byte, error) {
	sig, err := ecdsa.ParseDERSignature(der)
	if err != nil {
		return nil, fmt.Errorf("%w: DER: %w", ErrForm, err)
	}
	r, s := sig.R(), sig.S()
	rs := make([]byte, protocol.SignatureSize)
	r.PutBytesUnchecked(rs[:32])
	s.PutBytesUnchecked(rs[32:])
	if _, _, err := scalars(rs); err != nil {
		return nil, err
	}
	return rs, nil
}

// ParseRSV reads r ‖ s ‖ v with v = 0 to 3. Errors are ErrForm.
func ParseRSV(rsv []byte) (Signature, error) {
	if len(rsv) != recoverableSize {
		return Signature{}, fmt.Errorf("%w: it has %d bytes, not %d", ErrForm, len(rsv), recoverableSize)
	}
	return New(rsv[:protocol.SignatureSize], rsv[protocol.SignatureSize])
}

// ParseEthereum reads r ‖ s ‖ v with v = 27 or 28. Errors are ErrForm.
func ParseEthereum(rsv []byte) (Signature, error) {
	if len(rsv) != recoverableSize {
		return Signature{}, fmt.Errorf("%w: it has %d bytes, not %d", ErrForm, len(rsv), recoverableSize)
	}
	v := rsv[protocol.SignatureSize]
	if v < ethereumBase || v > ethereumBase+maxEthereum {
		return Signature{}, fmt.Errorf("%w: v is %d: Ethereum's is 27 or 28", ErrForm, v)
	}
	return New(rsv[:protocol.SignatureSize], v-ethereumBase)
}
