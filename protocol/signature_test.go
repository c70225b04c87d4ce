package protocol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// The order of secp256k1 (SEC 2), big-endian.
var order = bytes.Join([][]byte{
	bytes.Repeat([]byte{0xff}, 15),
	{0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41},
}, nil)

func secpKey(name string) *secp256k1.PrivateKey {
	sum := sha256.Sum256([]byte(name))
	return secp256k1.PrivKeyFromBytes(sum[:])
}

// signECDSA returns r ‖ s with s ≤ q/2.
func signECDSA(key *secp256k1.PrivateKey, digest []byte) []byte {
	sig := ecdsa.Sign(key, digest)
	r, s := sig.R(), sig.S()
	rb, sb := r.Bytes(), s.Bytes()
	return slices.Concat(rb[:], sb[:])
}

func TestVerifyECDSA(t *testing.T) {
	key := secpKey("key")
	pub := key.PubKey().SerializeCompressed()
	digest := digestOf("message")
	sig := signECDSA(key, digest)
	noError(t, VerifySignature(ECDSA, pub, digest, sig))

	var s secp256k1.ModNScalar
	s.SetByteSlice(sig[32:])
	high := s.Negate().Bytes()
	zero := make([]byte, 32)
	minusOne := bytes.Clone(order)
	minusOne[31]--
	flipped := bytes.Clone(sig)
	flipped[40] ^= 1
	for _, c := range []struct {
		name         string
		pub, dig, ss []byte
		kind         error
		says         string
	}{
		{"high s", pub, digest, slices.Concat(sig[:32], high[:]), ErrSignature, "above q/2"},
		{"s = q - 1", pub, digest, slices.Concat(sig[:32], minusOne), ErrSignature, "above q/2"},
		{"r = 0", pub, digest, slices.Concat(zero, sig[32:]), ErrSignature, "out of range"},
		{"s = 0", pub, digest, slices.Concat(sig[:32], zero), ErrSignature, "out of range"},
		{"r = q", pub, digest, slices.Concat(order, sig[32:]), ErrSignature, "out of range"},
		{"s = q", pub, digest, slices.Concat(sig[:32], order), ErrSignature, "out of range"},
		{"r = 2^256 - 1", pub, digest, slices.Concat(bytes.Repeat([]byte{0xff}, 32), sig[32:]), ErrSignature, "out of range"},
		{"r and s exchanged", pub, digest, slices.Concat(sig[32:], sig[:32]), ErrSignature, ""},
		{"bit flipped", pub, digest, flipped, ErrSignature, "does not verify"},
		{"empty", pub, digest, nil, ErrSignature, "0 bytes, not 64"},
		{"63 bytes", pub, digest, sig[:63], ErrSignature, "63 bytes, not 64"},
		{"65 bytes", pub, digest, append(bytes.Clone(sig), 0), ErrSignature, "65 bytes, not 64"},
		{"DER", pub, digest, ecdsa.Sign(key, digest).Serialize(), ErrSignature, "bytes, not 64"},
		{"another digest", pub, digestOf("other"), sig, ErrSignature, "does not verify"},
		{"short digest", pub, digest[1:], sig, ErrSignature, "31 bytes, not 32"},
		{"long digest", pub, append(bytes.Clone(digest), 0), sig, ErrSignature, "33 bytes, not 32"},
		{"another key", secpKey("other").PubKey().SerializeCompressed(), digest, sig, ErrSignature, "does not verify"},
		{"other root of the key", append([]byte{pub[0] ^ 1}, pub[1:]...), digest, sig, ErrSignature, "does not verify"},
		{"uncompressed key", key.PubKey().SerializeUncompressed(), digest, sig, nil, "65 bytes, not 33"},
		{"no key", nil, digest, sig, nil, "0 bytes, not 33"},
		{"key not on the curve", append([]byte{2}, bytes.Repeat([]byte{0xff}, 32)...), digest, sig, nil, "public key"},
		{"key of an unknown form", append([]byte{5}, pub[1:]...), digest, sig, nil, "public key"},
		{"key at infinity", make([]byte, 33), digest, sig, nil, "public key"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, VerifySignature(ECDSA, c.pub, c.dig, c.ss), c.kind, c.says) })
	}
}

// Values with leading zero bytes keep their size.
func TestVerifyLeadingZeros(t *testing.T) {
	key, edKey := secpKey("key"), approverKey
	for zeros := range 33 {
		digest := digestOf("message")
		clear(digest[:zeros])
		noError(t, VerifySignature(ECDSA, key.PubKey().SerializeCompressed(), digest, signECDSA(key, digest)))
		if zeros > 0 && VerifySignature(ECDSA, key.PubKey().SerializeCompressed(), digest[zeros:], signECDSA(key, digest)) == nil {
			t.Errorf("a digest without its %d leading zeros is accepted", zeros)
		}
		noError(t, VerifySignature(EdDSA, edKey.Public().(ed25519.PublicKey), digest, ed25519.Sign(edKey, digest)))
	}
	shortR, shortS := false, false
	for i := 0; !shortR || !shortS; i++ { // each in 1 of about 256 and 128 tries
		digest := digestOf(fmt.Sprint(i))
		sig := signECDSA(key, digest)
		noError(t, VerifySignature(ECDSA, key.PubKey().SerializeCompressed(), digest, sig))
		shortR, shortS = shortR || sig[0] == 0, shortS || sig[32] == 0
	}
}

func TestVerifyEdDSA(t *testing.T) {
	pub := approverKey.Public().(ed25519.PublicKey)
	message := []byte("\x00 a message")
	sig := ed25519.Sign(approverKey, message)
	noError(t, VerifySignature(EdDSA, pub, message, sig))
	noError(t, VerifySignature(EdDSA, pub, nil, ed25519.Sign(approverKey, nil)))

	l := []byte{ // the order of Ed25519 (RFC 8032), little-endian
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
	}
	malleable := bytes.Clone(sig) // S + L verifies with a lenient verifier
	carry := 0
	for i := range 32 {
		sum := int(malleable[32+i]) + int(l[i]) + carry
		malleable[32+i], carry = byte(sum), sum>>8
	}
	flipped := bytes.Clone(sig)
	flipped[0] ^= 1
	for _, c := range []struct {
		name           string
		pub, msg, sigs []byte
		says           string
	}{
		{"S + L", pub, message, malleable, "does not verify"},
		{"bit flipped", pub, message, flipped, "does not verify"},
		{"another message", pub, message[1:], sig, "does not verify"},
		{"another key", outsider.key.Public().(ed25519.PublicKey), message, sig, "does not verify"},
		{"empty", pub, message, nil, "0 bytes, not 64"},
		{"63 bytes", pub, message, sig[1:], "63 bytes, not 64"},
		{"65 bytes", pub, message, append(bytes.Clone(sig), 0), "65 bytes, not 64"},
		{"no key", nil, message, sig, "0 bytes, not 32"},
		{"short key", pub[1:], message, sig, "31 bytes, not 32"},
		{"key of the other scheme", secpKey("key").PubKey().SerializeCompressed(), message, sig, "33 bytes, not 32"},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, VerifySignature(EdDSA, c.pub, c.msg, c.sigs), nil, c.says) })
	}
	wantError(t, VerifySignature("bls", pub, message, sig), ErrScheme, "")
}
