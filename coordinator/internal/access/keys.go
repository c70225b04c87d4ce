package access

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	logging "github.com/ipfs/go-log/v2"
)

var log = logging.Logger("coordinator/access")

// MinSecret is the number of characters that a secret must have.
const MinSecret = 32

// lookInterval is how often the file is looked at, at most.
const lookInterval = time.Second

// Why a secret does not let its bearer in.
var (
	ErrMissing = errors.New("no API key was shown")
	ErrUnknown = errors.New("this API key does not exist")
	ErrExpired = errors.New("this API key has expired")
	ErrRevoked = errors.New("this API key was revoked")
)

// ErrConfig reports a configuration that lets nobody in.
var ErrConfig = errors.New("configuration of API keys")

// Backend is id and name of the key that is part of the configuration.
const Backend = "backend"

// KeysConfig describes the keys of a daemon.
type KeysConfig struct {
	Secret string // of the key Backend, which has every scope; empty: there is no such key
	File   File   // more keys; empty: there are none
	Now    func() time.Time
}

// Validate checks the configuration and fills the defaults.
func (c *KeysConfig) Validate() error {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Secret == "" && c.File == "" {
		return fmt.Errorf("%w: no API key; make one with: openssl rand -hex 32", ErrConfig)
	}
	if c.Secret != "" && len(c.Secret) < MinSecret {
		return fmt.Errorf("%w: the API key has %d characters and needs at least %d; make one with: openssl rand -hex 32", ErrConfig, len(c.Secret), MinSecret)
	}
	return nil
}

// Keys are a daemon's API keys. They are safe for concurrent use, and follow the
// file without a goroutine: see the package comment.
type Keys struct {
	cfg  KeysConfig
	own  []Key // what does not come from the file
	ring atomic.Pointer[ring]

	looked atomic.Int64 // Unix nanoseconds of the last look at the file
	mu     sync.Mutex   // guards seen, and the one who reads the file
	seen   fs.FileInfo  // the file as it was read last; nil: it was not there
}

// OpenKeys reads the keys. A file that cannot be used is an error here.
func OpenKeys(cfg KeysConfig) (*Keys, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	k := &Keys{cfg: cfg}
	if cfg.Secret != "" {
		k.own = []Key{{ID: Backend, Name: Backend, Scopes: AllScopes(), Hash: HashOf(cfg.Secret)}}
	}
	k.looked.Store(cfg.Now().UnixNano())
	keys, info, err := k.fromFile()
	if err != nil {
		return nil, err
	}
	if len(k.own)+len(keys) == 0 {
		return nil, fmt.Errorf("%w: %s has no key; set MPC_API_KEY, or make a key with mpcd coordinator keys create", ErrConfig, cfg.File)
	}
	k.use(keys, info)
	return k, nil
}

func (k *Keys) fromFile() ([]Key, fs.FileInfo, error) {
	if k.cfg.File == "" {
		return nil, nil, nil
	}
	return k.cfg.File.read()
}

func (k *Keys) use(keys []Key, info fs.FileInfo) {
	r := make(ring, 0, len(k.own)+len(keys))
	r = append(append(r, k.own...), keys...)
	k.ring.Store(&r)
	k.seen = info
}

// Check returns the key that a secret belongs to. The error is ErrMissing,
// ErrUnknown, ErrExpired or ErrRevoked; with the last two the key comes along.
func (k *Keys) Check(secret string) (Key, error) {
	k.look(false)
	if secret == "" {
		return Key{}, ErrMissing
	}
	r := *k.ring.Load()
	i, _ := r.find(HashOf(secret))
	if i < 0 {
		return Key{}, ErrUnknown
	}
	return r[i], r[i].state(k.cfg.Now())
}

// Reload looks at the file now, and not only when the next second has come.
func (k *Keys) Reload() { k.look(true) }

// look reads the file if it has changed. Of several callers one reads and the
// others go on with what there is.
func (k *Keys) look(now bool) {
	last, t := k.looked.Load(), k.cfg.Now().UnixNano()
	if k.cfg.File == "" || !now && t-last < int64(lookInterval) || !k.looked.CompareAndSwap(last, t) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if info, err := os.Stat(string(k.cfg.File)); err == nil && unchanged(k.seen, info) || errors.Is(err, fs.ErrNotExist) && k.seen == nil {
		return
	}
	keys, info, err := k.fromFile()
	if err != nil {
		log.Errorw("the API keys stay as they were: a key that was revoked since may still work", "error", err)
		if info != nil {
			k.seen = info // the error is told once for each content
		}
		return
	}
	k.use(keys, info)
	log.Infow("API keys read", "file", string(k.cfg.File), "keys", len(keys))
}

// unchanged reports whether a file is the one that was read: it is replaced as a
// whole, so it is another file whenever its content is another.
func unchanged(seen, now fs.FileInfo) bool {
	return seen != nil && os.SameFile(seen, now) && seen.ModTime().Equal(now.ModTime()) &&
		seen.Size() == now.Size() && seen.Mode() == now.Mode()
}

// ring is a list of keys that does not change.
type ring []Key

// find returns the last key with a hash, or -1, and how many it has compared:
// all of them, whatever the hash.
func (r ring) find(h Hash) (found, compared int) {
	found = -1
	for i := range r {
		same := subtle.ConstantTimeCompare(h[:], r[i].Hash[:])
		found = subtle.ConstantTimeSelect(same, i, found)
		compared++
	}
	return found, compared
}
