package protocol

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
)

// x25519 is a key that is the same in every run: the SHA-256 of its name.
func x25519(tb testing.TB, name string) *ecdh.PrivateKey {
	tb.Helper()
	key, err := ecdh.X25519().NewPrivateKey(digestOf(name))
	noError(tb, err)
	return key
}

// labeled are LabeledExtract and LabeledExpand of RFC 9180 §4 for one suite.
type labeled struct {
	tb    testing.TB
	suite []byte
}

func (l labeled) extract(salt []byte, label string, ikm []byte) []byte {
	prk, err := hkdf.Extract(sha256.New, slices.Concat([]byte("HPKE-v1"), l.suite, []byte(label), ikm), salt)
	noError(l.tb, err)
	return prk
}

func (l labeled) expand(prk []byte, label string, info []byte, size int) []byte {
	full := binary.BigEndian.AppendUint16(nil, uint16(size))
	full = slices.Concat(full, []byte("HPKE-v1"), l.suite, []byte(label), info)
	out, err := hkdf.Expand(sha256.New, prk, string(full), size)
	noError(l.tb, err)
	return out
}

// hpkeByHand is single-shot base-mode HPKE with a fixed ephemeral key, written
// from RFC 9180 (§4.1, §5.1) so that vectors do not rest on the code under test.
func hpkeByHand(tb testing.TB, ephemeral *ecdh.PrivateKey, recipient *ecdh.PublicKey, info, plain []byte) (enc, ciphertext []byte) {
	tb.Helper()
	dh, err := ephemeral.ECDH(recipient)
	noError(tb, err)
	enc = ephemeral.PublicKey().Bytes()
	kem := labeled{tb, []byte("KEM\x00\x20")}
	shared := kem.expand(kem.extract(nil, "eae_prk", dh), "shared_secret", slices.Concat(enc, recipient.Bytes()), 32)

	h := labeled{tb, []byte("HPKE\x00\x20\x00\x01\x00\x02")}
	context := slices.Concat([]byte{0}, h.extract(nil, "psk_id_hash", nil), h.extract(nil, "info_hash", info))
	secret := h.extract(shared, "secret", nil)
	block, err := aes.NewCipher(h.expand(secret, "key", context, 32))
	noError(tb, err)
	gcm, err := cipher.NewGCM(block)
	noError(tb, err)
	return enc, gcm.Seal(nil, h.expand(secret, "base_nonce", context, gcm.NonceSize()), plain, nil)
}
