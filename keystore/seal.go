package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
)

// The last byte of the additional data keeps the two seals of a record apart.
const (
	sealsDEK     = 1
	sealsPayload = 2
)

// seal encodes a valid record under kek with a fresh DEK.
func seal(r *Record, party string, id kekID, kek *[keySize]byte) ([]byte, error) {
	var dek [keySize]byte
	defer clear(dek[:])
	_, _ = rand.Read(dek[:]) // never fails: crypto/rand ends the process instead

	out := make([]byte, 0, prefixSize+fixedSize+512+sealedDEKSize+minSealed+len(r.Payload))
	out = appendHeader(out, &r.Header, party, id)
	aad := append([]byte(nil), out...)
	out, err := appendSealed(out, kek, dek[:], append(aad, sealsDEK))
	if err != nil {
		return nil, err
	}
	return appendSealed(out, &dek, r.Payload, append(aad, sealsPayload))
}

// open authenticates the record with kek and returns header and payload; errAuth else.
func (r *sealedRecord) open(kek *[keySize]byte) (Record, error) {
	plain, err := unseal(kek, r.dek, append(r.aad, sealsDEK)) // aad has no spare capacity: this copies
	if err != nil {
		return Record{}, fmt.Errorf("%w: header or data key", err)
	}
	defer clear(plain)
	payload, err := unseal((*[keySize]byte)(plain), r.payload, append(r.aad, sealsPayload))
	if err != nil {
		return Record{}, fmt.Errorf("%w: payload", err)
	}
	return Record{Header: r.header, Payload: payload}, nil
}

func appendSealed(dst []byte, key *[keySize]byte, plain, aad []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(dst, nil, plain, aad), nil // nonce, ciphertext, tag
}

func unseal(key *[keySize]byte, sealed, aad []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nil, sealed, aad)
	if err != nil {
		return nil, errAuth
	}
	return plain, nil
}

func newGCM(key *[keySize]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("AES-256: %w", err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("AES-256-GCM: %w", err)
	}
	return gcm, nil
}
