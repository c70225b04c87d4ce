package keystore

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

const (
	checkMagic   = "MPCDKEYS"
	checkVersion = 1
	checkFixed   = 8 + 2 + 4 + keySize // bytes before the party
	checkInfo    = "mpcd/keystore/check/v1"
)

// masterCheck is what master.check says once it is verified.
type masterCheck struct {
	gen uint32 // which master key of this store, from 1
}

// readCheck verifies the file against master key and party. It only reads.
// fs.ErrNotExist when there is none.
func readCheck(path string, m MasterKey, party string) (masterCheck, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return masterCheck{}, err
	}
	if err != nil {
		return masterCheck{}, fmt.Errorf("read master key check: %w", err)
	}
	body, tag, err := splitGuarded(data)
	if err != nil || len(body) < checkFixed || string(body[:8]) != checkMagic {
		return masterCheck{}, fmt.Errorf("%w: %s is torn or altered; restore it from a cold copy", ErrIncomplete, path)
	}
	if v := binary.BigEndian.Uint16(body[8:]); v != checkVersion {
		return masterCheck{}, fmt.Errorf("%w: %s has format %d, this program knows %d; use the newer program", ErrIncomplete, path, v, checkVersion)
	}
	owner, rest, ok := cutString(body[checkFixed:])
	if !ok || len(rest) != 0 {
		return masterCheck{}, fmt.Errorf("%w: %s is altered; restore it from a cold copy", ErrIncomplete, path)
	}
	key, err := m.derive(body[14:checkFixed], checkInfo)
	if err != nil {
		return masterCheck{}, err
	}
	defer clear(key)
	if !hmac.Equal(tag, mac(body, key)) {
		return masterCheck{}, fmt.Errorf("%w: %s was sealed under another one; give the master key it was made with", ErrWrongMasterKey, path)
	}
	if owner != party {
		return masterCheck{}, fmt.Errorf("%w: %s is of %s, this node is %s; give it the identity it was made with", ErrWrongParty, path, owner, party)
	}
	return masterCheck{gen: binary.BigEndian.Uint32(body[10:])}, nil
}

// writeCheck makes the file of a new store.
func writeCheck(path string, m MasterKey, party string) (masterCheck, error) {
	c := masterCheck{gen: 1}
	var salt [keySize]byte
	_, _ = rand.Read(salt[:]) // never fails
	key, err := m.derive(salt[:], checkInfo)
	if err != nil {
		return masterCheck{}, err
	}
	defer clear(key)
	body := []byte(checkMagic)
	body = binary.BigEndian.AppendUint16(body, checkVersion)
	body = binary.BigEndian.AppendUint32(body, c.gen)
	body = appendString(append(body, salt[:]...), party)
	if err := ReplaceFile(path, guarded(body, key)); err != nil {
		return masterCheck{}, fmt.Errorf("write master key check: %w", err)
	}
	return c, nil
}
