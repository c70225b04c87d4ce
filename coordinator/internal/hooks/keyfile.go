package hooks

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// ErrKey reports a key file that cannot be used, or is not the one that a secret
// was sealed with.
var ErrKey = errors.New("key of webhook secrets")

const keySize = 32

// Names of the derived keys; see the package comment.
const (
	infoSeal   = "mpcd/webhooks/seal/v1"
	infoSecret = "mpcd/webhooks/secret/v1"
)

// secrets seals and derives the secrets of webhooks. Its file is read when it is
// first needed.
type secrets struct {
	file string

	mu  sync.Mutex
	key []byte
}

// load reads the key, and makes it first if create is set and there is none.
func (s *secrets) load(create bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil {
		return s.key, nil
	}
	key, err := readKeyFile(s.file)
	if create && errors.Is(err, fs.ErrNotExist) {
		key, err = makeKeyFile(s.file)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	s.key = key
	return key, nil
}

func readKeyFile(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others may read %s: chmod 600 it", file)
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("%s has %d bytes and should have %d: restore it from a copy", file, len(key), keySize)
	}
	return key, nil
}

// makeKeyFile writes a new key, durably, and never over another.
func makeKeyFile(file string) ([]byte, error) {
	key := make([]byte, keySize)
	rand.Read(key)                                                  // crashes rather than fail
	tmp, err := os.CreateTemp(filepath.Dir(file), ".webhook-key-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(key)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(tmp.Name(), file); err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	return key, errors.Join(dir.Sync(), dir.Close())
}

func subkey(key []byte, info string) ([]byte, error) {
	return hkdf.Key(sha256.New, key, nil, info, keySize)
}

// derive returns a webhook's own secret: the same whenever it is asked for.
func (s *secrets) derive(webhook string) (string, error) {
	key, err := s.load(true)
	if err != nil {
		return "", err
	}
	if key, err = subkey(key, infoSecret); err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(webhook))
	return "whsec_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac.Sum(nil))), nil
}

// seal encrypts a webhook's secret for the log.
func (s *secrets) seal(webhook, secret string) ([]byte, error) {
	aead, err := s.aead(true)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, []byte(secret), []byte(webhook)), nil
}

func (s *secrets) open(webhook string, sealed []byte) (string, error) {
	aead, err := s.aead(false)
	if err != nil {
		return "", err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(webhook))
	if err != nil {
		return "", fmt.Errorf("%w: %s is not the one that sealed the secret of webhook %s: restore it, or make the webhook anew", ErrKey, s.file, webhook)
	}
	return string(plain), nil
}

// aead puts a random nonce before each ciphertext.
func (s *secrets) aead(create bool) (cipher.AEAD, error) {
	key, err := s.load(create)
	if err != nil {
		return nil, err
	}
	if key, err = subkey(key, infoSeal); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
