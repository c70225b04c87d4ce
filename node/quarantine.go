package node

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// QuarantineAfter is how many attributed failures with one key put a peer into
// quarantine for that key.
const QuarantineAfter = 3

// Bounds of what is remembered.
const (
	maxConduct     = 64 << 10 // bytes of one file
	maxPairs       = 4096     // of a key and a peer; see crowd for those that go first
	maxKeptNames   = 8        // evidence files that a pair names
	conductVersion = 1
	extConduct     = ".json"
)

// Conduct is what is remembered of a peer's failures with one key: those that this
// party has seen itself or that evidence has proven to it.
type Conduct struct {
	Version  int             `json:"version"`
	Key      string          `json:"key"`
	Peer     protocol.PeerID `json:"peer"`
	Failures int             `json:"failures"`
	Proven   int             `json:"proven"` // of them, to anybody
	First    time.Time       `json:"first"`
	Last     time.Time       `json:"last"`
	Since    time.Time       `json:"quarantine_since,omitzero"`
	Reason   protocol.Reason `json:"last_reason"`
	Session  string          `json:"last_session"`
	Keygen   bool            `json:"keygen_only"`        // the key was being made, every time
	Evidence []string        `json:"evidence,omitempty"` // the latest files in the evidence folder

	// Damaged says what is wrong with the file. Who has a damaged file is in
	// quarantine: what an operator has not cleared does not end by an accident.
	Damaged string `json:"-"`
}

// InQuarantine tells whether this party avoids to sign with the peer.
func (c *Conduct) InQuarantine() bool { return c.Damaged != "" || c.Failures >= QuarantineAfter }

// ErrNoConduct reports that nothing is recorded of a peer and a key.
var ErrNoConduct = errors.New("no failure of this peer with this key is recorded")

// QuarantineDir is the folder of what a party remembers of its peers' failures, a
// file KEY/PEER.json for each pair, a Conduct. It may be read and cleared while the
// node runs, which looks into it for every proposal. The empty QuarantineDir keeps
// nothing, and nobody is in quarantine.
type QuarantineDir string

// QuarantineIn is the quarantine of a data folder (Config.DataDir).
func QuarantineIn(dataDir string) QuarantineDir {
	return QuarantineDir(filepath.Join(dataDir, "quarantine"))
}

func (d QuarantineDir) file(key string, peer protocol.PeerID) string {
	return filepath.Join(string(d), fileName(key), fileName(peer)+extConduct)
}

// Get returns what is recorded of a peer and a key, or ErrNoConduct.
func (d QuarantineDir) Get(key string, peer protocol.PeerID) (Conduct, error) {
	if d == "" {
		return Conduct{}, ErrNoConduct
	}
	data, err := readFile(d.file(key, peer), maxConduct)
	if errors.Is(err, fs.ErrNotExist) {
		return Conduct{}, ErrNoConduct
	}
	var c Conduct
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	switch {
	case err != nil:
	case c.Version != conductVersion:
		err = fmt.Errorf("version %d, this program reads %d", c.Version, conductVersion)
	case c.Failures < 1, fileName(c.Key) != fileName(key), fileName(c.Peer) != fileName(peer):
		err = errors.New("its content is not of this key and peer")
	default:
		return c, nil
	}
	return Conduct{Key: key, Peer: peer, Damaged: err.Error()}, nil
}

// List returns everything that is recorded, by key and peer. A folder that does
// not exist is an empty one.
func (d QuarantineDir) List() ([]Conduct, error) {
	keys, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []Conduct
	for _, key := range keys {
		if !key.IsDir() {
			continue
		}
		peers, err := os.ReadDir(filepath.Join(string(d), key.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // cleared meanwhile
			return nil, err
		}
		for _, peer := range peers {
			name, ok := strings.CutSuffix(peer.Name(), extConduct)
			if !ok || !peer.Type().IsRegular() {
				continue
			}
			if c, err := d.Get(key.Name(), name); err == nil {
				list = append(list, c)
			}
		}
	}
	slices.SortFunc(list, func(a, b Conduct) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Peer, b.Peer)) })
	return list, nil
}

// Clear forgets what is recorded of a peer and a key and returns it: the peer
// begins anew. Its evidence stays. The error is ErrNoConduct when there is nothing.
func (d QuarantineDir) Clear(key string, peer protocol.PeerID) (Conduct, error) {
	if _, err := os.Stat(string(d)); errors.Is(err, fs.ErrNotExist) {
		return Conduct{}, ErrNoConduct
	}
	unlock, err := lockFolder(string(d))
	if err != nil {
		return Conduct{}, err
	}
	defer unlock()
	dir := filepath.Dir(d.file(key, peer))
	sweepUnfinished(dir)
	c, err := d.Get(key, peer)
	if err == nil {
		err = d.remove(&c)
	}
	switch {
	case err != nil:
		return Conduct{}, err
	case os.Remove(dir) == nil: // it was the key's last one
		return c, keystore.SyncDir(string(d))
	default:
		return c, keystore.SyncDir(dir)
	}
}

// remove removes a pair's file. The caller holds the lock.
func (d QuarantineDir) remove(c *Conduct) error { return os.Remove(d.file(c.Key, c.Peer)) }

// fault is one failure of a peer with a key.
type fault struct {
	key      string
	peer     protocol.PeerID
	reason   protocol.Reason
	session  string
	keygen   bool
	proven   bool
	evidence string // file name
}

// count adds a failure and returns what is recorded now.
func (d QuarantineDir) count(f fault, now time.Time) (Conduct, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return Conduct{}, err
	}
	unlock, err := lockFolder(string(d))
	if err != nil {
		return Conduct{}, err
	}
	defer unlock()
	c, err := d.Get(f.key, f.peer)
	switch {
	case errors.Is(err, ErrNoConduct):
		if err := d.makeRoom(maxPairs); err != nil {
			return Conduct{}, err
		}
		c = Conduct{Keygen: true}
	case c.Damaged != "":
		c.Failures = QuarantineAfter // at least: it was in quarantine
	}
	sweepUnfinished(filepath.Dir(d.file(f.key, f.peer)))
	c.add(f, now.UTC().Truncate(time.Second))
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return Conduct{}, err
	}
	return c, writeFile(d.file(f.key, f.peer), append(data, '\n'))
}

func (c *Conduct) add(f fault, now time.Time) {
	if c.First.IsZero() {
		c.First = now
	}
	c.Version, c.Key, c.Peer, c.Damaged = conductVersion, f.key, f.peer, ""
	c.Last, c.Reason, c.Session, c.Keygen = now, f.reason, f.session, c.Keygen && f.keygen
	c.Failures++
	if f.proven {
		c.Proven++
	}
	if f.evidence != "" {
		c.Evidence = append(c.Evidence, f.evidence)
		c.Evidence = c.Evidence[max(0, len(c.Evidence)-maxKeptNames):]
	}
	if c.InQuarantine() && c.Since.IsZero() {
		c.Since = now
	}
}

// makeRoom removes a quarter of the pairs when there are so many. The caller holds
// the lock.
func (d QuarantineDir) makeRoom(most int) error {
	list, err := d.List()
	if err != nil || len(list) < most {
		return err
	}
	slices.SortFunc(list, crowd)
	for i := range list[:len(list)-most*3/4] {
		err = errors.Join(err, d.remove(&list[i]))
		sweepUnfinished(filepath.Dir(d.file(list[i].Key, list[i].Peer)))
		os.Remove(filepath.Dir(d.file(list[i].Key, list[i].Peer))) //nolint:errcheck // unless it has other peers
	}
	return err
}

// crowd orders pairs by who is forgotten first when there are too many: keys that
// never came to be, of which somebody can make as many as it likes; then who is not in
// quarantine; then the oldest.
func crowd(a, b Conduct) int {
	rank := func(c *Conduct) int {
		switch {
		case c.Keygen:
			return 0
		case !c.InQuarantine():
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(&a), rank(&b)), a.Last.Compare(b.Last))
}
