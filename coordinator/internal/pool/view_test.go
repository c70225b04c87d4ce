package pool

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// node is an identity whose peer id is its public key in hex.
type node struct{ key ed25519.PrivateKey }

func newNode(t *testing.T) node {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return node{key}
}

func (n node) ID() protocol.PeerID     { return hex.EncodeToString(n.key.Public().(ed25519.PublicKey)) }
func (n node) Sign(data []byte) []byte { return ed25519.Sign(n.key, data) }

// fixture is a view with a clock and a list of admitted nodes.
type fixture struct {
	t     *testing.T
	now   time.Time
	nodes map[protocol.PeerID]Member
	keys  map[protocol.PeerID]ed25519.PublicKey
	view  *View
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{
		t: t, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), nodes: make(map[protocol.PeerID]Member),
		keys: make(map[protocol.PeerID]ed25519.PublicKey),
	}
	f.view = New(Config{
		Network: "net", Now: func() time.Time { return f.now },
		Verify: func(peer protocol.PeerID, data, sig []byte) bool {
			return f.keys[peer] != nil && ed25519.Verify(f.keys[peer], data, sig)
		},
		Member: func(peer protocol.PeerID) (Member, bool) { m, ok := f.nodes[peer]; return m, ok },
	})
	return f
}

func (f *fixture) admit(name string) node {
	n := newNode(f.t)
	f.nodes[n.ID()] = Member{Name: name, Party: true, Labels: map[string]string{"zone": "a"}}
	f.keys[n.ID()] = n.key.Public().(ed25519.PublicKey)
	return n
}

func (f *fixture) beat(n node, h protocol.Heartbeat) bool {
	f.t.Helper()
	if h.Network == "" {
		h.Network = "net"
	}
	data, err := protocol.SealHeartbeat(n, h)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.view.Observe(data)
}

func TestLiveness(t *testing.T) {
	f := newFixture(t)
	n := f.admit("p1")
	skewed := f.now.Add(5 * time.Minute)
	if !f.beat(n, protocol.Heartbeat{Boot: 1, Seq: 1, Time: skewed.UnixMilli(), Sessions: 2, Stock: 5, Held: 7, Labels: map[string]string{"zone": "forged", "x": "y"}}) {
		t.Fatal("a heartbeat was refused")
	}
	p, ok := f.view.Find("p1")
	if !ok || !p.Live || p.Skew != 5*time.Minute || p.Sessions != 2 || p.Stock != 5 || p.Held != 7 || p.Boot != 1 || p.Labels["zone"] != "a" || p.Labels["x"] != "y" {
		t.Errorf("party %+v", p)
	}
	f.now = f.now.Add(Lifetime)
	if len(f.view.Live()) != 1 {
		t.Error("not live after exactly three intervals")
	}
	f.now = f.now.Add(time.Millisecond)
	if len(f.view.Live()) != 0 || len(f.view.All()) != 1 {
		t.Error("live after three intervals")
	}
}

func TestReplayedHeartbeatsDoNotCount(t *testing.T) {
	f := newFixture(t)
	n := f.admit("p1")
	for _, c := range []struct {
		boot, seq uint64
		counts    bool
	}{{5, 1, true}, {5, 1, false}, {5, 3, true}, {5, 2, false}, {4, 9, false}, {6, 1, true}, {5, 4, false}} {
		if got := f.beat(n, protocol.Heartbeat{Boot: c.boot, Seq: c.seq}); got != c.counts {
			t.Errorf("boot %d, seq %d counts: %v", c.boot, c.seq, got)
		}
	}
}

func TestWhoIsNotAdmittedIsNotSeen(t *testing.T) {
	f := newFixture(t)
	stranger := newNode(t)
	f.keys[stranger.ID()] = stranger.key.Public().(ed25519.PublicKey)
	coordinator := f.admit("c1")
	f.nodes[coordinator.ID()] = Member{Name: "c1"}
	n := f.admit("p1")
	if f.beat(stranger, protocol.Heartbeat{Boot: 1, Seq: 1}) || f.beat(coordinator, protocol.Heartbeat{Boot: 1, Seq: 1}) ||
		f.beat(n, protocol.Heartbeat{Boot: 1, Seq: 1, Network: "other"}) || f.view.Observe([]byte("junk")) {
		t.Error("a heartbeat counted that must not")
	}
	f.beat(n, protocol.Heartbeat{Boot: 1, Seq: 1})
	delete(f.nodes, n.ID())
	if len(f.view.Live()) != 0 {
		t.Error("live although no longer admitted")
	}
}

func TestDrainingPartiesAreNotLive(t *testing.T) {
	f := newFixture(t)
	n := f.admit("p1")
	f.beat(n, protocol.Heartbeat{Boot: 1, Seq: 1, Draining: true})
	if p, _ := f.view.Party(n.ID()); !p.Live || !p.Draining || len(f.view.Live()) != 0 {
		t.Errorf("party %+v", p)
	}
}

func TestFind(t *testing.T) {
	f := newFixture(t)
	a, b := f.admit("twin"), f.admit("twin")
	f.beat(a, protocol.Heartbeat{Boot: 1, Seq: 1})
	f.beat(b, protocol.Heartbeat{Boot: 1, Seq: 1})
	if _, ok := f.view.Find("twin"); ok {
		t.Error("an ambiguous name was resolved")
	}
	if p, ok := f.view.Find(b.ID()); !ok || p.Peer != b.ID() {
		t.Errorf("by peer id: %+v", p)
	}
}
