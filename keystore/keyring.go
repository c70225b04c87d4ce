package keystore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	kekInfo   = "mpcd/keystore/kek/v1\x00"
	kekIDInfo = "mpcd/keystore/kek-id/v1\x00"
	maxKEKs   = 256 // kept in memory
)

// kekID names the key-encryption key of a scope; it is no secret.
type kekID [16]byte

// scopeOf returns the KEK id of the scope that a header belongs to, under the master
// key number gen.
func scopeOf(gen uint32, h *Header) kekID {
	if h.Key == "" {
		return newKEKID(gen, "", 0)
	}
	return newKEKID(gen, h.Key, h.Epoch)
}

func newKEKID(gen uint32, key string, epoch uint32) kekID {
	b := binary.BigEndian.AppendUint32([]byte(kekIDInfo), gen)
	b = binary.BigEndian.AppendUint32(appendString(b, key), epoch)
	sum := sha256.Sum256(b)
	return kekID(sum[:len(kekID{})])
}

// keyring derives KEKs and keeps the recent ones. Safe for concurrent use.
type keyring struct {
	party string
	gen   uint32

	mu     sync.Mutex
	master MasterKey // own copy
	salts  saltDir
	keks   *simplelru.LRU[kekID, *[keySize]byte]
}

func newKeyring(m MasterKey, c masterCheck, party, saltsDir string) (*keyring, error) {
	macKey, err := m.derive(nil, saltMACInfo)
	if err != nil {
		return nil, err
	}
	wipe := func(_ kekID, kek *[keySize]byte) { clear(kek[:]) }
	keks, err := simplelru.NewLRU(maxKEKs, wipe)
	if err != nil {
		return nil, fmt.Errorf("key cache: %w", err)
	}
	return &keyring{
		party: party, gen: c.gen, master: m.clone(),
		salts: saltDir{dir: saltsDir, macKey: macKey}, keks: keks,
	}, nil
}

// kek returns a copy of the scope's KEK, which the caller overwrites after use. With
// create a scope without a salt gets one; errNoSalt else.
func (k *keyring) kek(id kekID, create bool) ([keySize]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if kek, ok := k.keks.Get(id); ok {
		return *kek, nil
	}
	salt, err := k.salts.load(id)
	if create && errors.Is(err, errNoSalt) {
		salt, err = k.salts.create(id)
	}
	if err != nil {
		return [keySize]byte{}, err
	}
	defer clear(salt)
	derived, err := k.master.derive(salt, kekInfo+string(id[:])+k.party)
	if err != nil {
		return [keySize]byte{}, err
	}
	kek := (*[keySize]byte)(derived)
	out := *kek
	k.keks.Add(id, kek)
	return out, nil
}

// erase destroys the scope's salt and forgets its KEK.
func (k *keyring) erase(id kekID) (done bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keks.Remove(id)
	return k.salts.beginErase(id)
}

// wipe overwrites all keys, best effort.
func (k *keyring) wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keks.Purge()
	clear(k.salts.macKey)
	k.master.wipe()
}
