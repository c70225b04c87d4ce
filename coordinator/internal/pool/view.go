package pool

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// Interval is the time between two heartbeats of a party; a party whose last one
// is older than Lifetime is not live.
const (
	Interval = time.Second
	Lifetime = 3 * Interval
)

// Member is an admitted node, as its membership credential has it.
type Member struct {
	Name     string
	Labels   map[string]string
	Party    bool // its role is that of a party, persistent or delegate
	Delegate bool // it takes part for users only, and keeps nothing
}

// Config describes a view.
type Config struct {
	Network string
	Verify  protocol.Verifier
	// Member returns a node that the network admits now.
	Member func(protocol.PeerID) (Member, bool)
	Now    func() time.Time
}

// Party is what is known of one party.
type Party struct {
	Peer     protocol.PeerID
	Name     string
	Labels   map[string]string // the credential's, which win, and the heartbeat's; not to be changed
	Software string
	Sessions int // running, by its own count
	Stock    int // fresh pre-parameters
	Held     int // presignatures
	Keys     int // active shares
	Draining bool
	Live     bool
	Boot     uint64        // of its process: higher after each restart
	Delegate bool          // it takes part for users only
	SealKey  []byte        // its signed statement about the key that users seal shares to
	Skew     time.Duration // its clock minus ours, transport included
	Seen     time.Time     // of the last heartbeat, our clock
	Heard    time.Time     // of the last sign of life of any kind, our clock
}

// View is safe for concurrent use.
type View struct {
	cfg Config

	mu      sync.Mutex
	parties map[protocol.PeerID]*entry
}

type entry struct {
	beat   protocol.Heartbeat
	member Member
	labels map[string]string // of both; never changed
	seen   time.Time
	heard  time.Time
}

// New returns an empty view.
func New(cfg Config) *View { return &View{cfg: cfg, parties: make(map[protocol.PeerID]*entry)} }

// Observe takes an encoded heartbeat and reports whether it counted.
func (v *View) Observe(data []byte) bool {
	h, err := protocol.OpenHeartbeat(data, v.cfg.Verify)
	return err == nil && v.Take(h)
}

// Take is Observe for a heartbeat whose signature has been verified.
func (v *View) Take(h *protocol.Heartbeat) bool {
	if h.Network != v.cfg.Network {
		return false
	}
	m, ok := v.cfg.Member(h.Peer)
	if !ok || !m.Party {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if old := v.parties[h.Peer]; old != nil && !newer(h, &old.beat) {
		return false
	}
	now := v.cfg.Now()
	v.parties[h.Peer] = &entry{beat: *h, member: m, labels: merged(h.Labels, m.Labels), seen: now, heard: now}
	return true
}

// Heard takes note of a sign of life that is no heartbeat: a frame that the party has sent,
// or an answer to a ping. It makes nobody live who sends no heartbeats.
func (v *View) Heard(peer protocol.PeerID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e := v.parties[peer]; e != nil {
		e.heard = v.cfg.Now()
	}
}

// merged returns the labels of a heartbeat and of a credential, which win.
func merged(beat, credential map[string]string) map[string]string {
	labels := make(map[string]string, len(beat)+len(credential))
	maps.Copy(labels, beat)
	maps.Copy(labels, credential)
	return labels
}

func newer(h, old *protocol.Heartbeat) bool {
	return h.Boot > old.Boot || (h.Boot == old.Boot && h.Seq > old.Seq)
}

// All returns every party that was seen since the start, by name.
func (v *View) All() []Party {
	now := v.cfg.Now()
	v.mu.Lock()
	all := make([]Party, 0, len(v.parties))
	for _, e := range v.parties {
		all = append(all, e.party(now))
	}
	v.mu.Unlock()
	for i := range all { // outside of the lock: Member is the network's
		if m, ok := v.cfg.Member(all[i].Peer); !ok || !m.Party {
			all[i].Live = false
		}
	}
	slices.SortFunc(all, func(a, b Party) int { return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Peer, b.Peer)) })
	return all
}

// Live returns the parties that are live and take new sessions.
func (v *View) Live() []Party {
	return slices.DeleteFunc(v.All(), func(p Party) bool { return !p.Live || p.Draining })
}

// Party returns what is known of one party.
func (v *View) Party(peer protocol.PeerID) (Party, bool) {
	now := v.cfg.Now()
	v.mu.Lock()
	e := v.parties[peer]
	if e == nil {
		v.mu.Unlock()
		return Party{}, false
	}
	p := e.party(now)
	v.mu.Unlock()
	m, ok := v.cfg.Member(peer)
	p.Live = p.Live && ok && m.Party
	return p, true
}

// Find returns the party with this peer id or, if it is only one, this name.
func (v *View) Find(nameOrPeer string) (Party, bool) {
	if p, ok := v.Party(nameOrPeer); ok {
		return p, true
	}
	var found []Party
	for _, p := range v.All() {
		if p.Name == nameOrPeer {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return Party{}, false
	}
	return found[0], true
}

// party is what an entry tells. The caller holds mu.
func (e *entry) party(now time.Time) Party {
	return Party{
		Peer: e.beat.Peer, Name: e.member.Name, Labels: e.labels, Software: e.beat.Software,
		Sessions: e.beat.Sessions, Stock: e.beat.Stock, Held: e.beat.Held, Boot: e.beat.Boot, Keys: e.beat.Keys, Draining: e.beat.Draining,
		Live: now.Sub(e.seen) <= Lifetime, Seen: e.seen, Heard: e.heard, SealKey: e.beat.SealKey, Delegate: e.member.Delegate,
		Skew: time.UnixMilli(e.beat.Time).Sub(e.seen),
	}
}
