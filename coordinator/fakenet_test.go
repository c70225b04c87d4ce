package coordinator

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/meshmpc/mpcd/coordinator/internal/pool"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

const testNetwork = "testnet"

var errUnreachable = errors.New("unreachable")

// fakeNet is a network in memory with scripted parties. Keys, signatures,
// records and certificates are real; only the ceremony is not: the net knows the
// whole keys.
type fakeNet struct {
	t  testing.TB
	id identity

	mu      sync.Mutex
	parties map[protocol.PeerID]*party
	order   []*party
	observe func(*protocol.Heartbeat)                   // how a heartbeat reaches the coordinator; nil: not at all
	receive func(protocol.PeerID, []byte)               // how a frame of a party reaches the coordinator; nil: not at all
	routes  map[protocol.PeerID]func([]byte)            // instead of receive, for parties on real hosts
	secrets map[string][]byte                           // by key id
	allowed map[string]protocol.Approvers               // by key id: what its members remember
	joined  map[protocol.SID]map[protocol.PeerID]script // who accepted what, and by which script
	sent    []protocol.Frame                            // what the coordinator sent
	named   map[protocol.SID]protocol.SID               // presignatures, and the signing that names each
	drop    int                                         // so many of its next frames are lost
	work    sync.WaitGroup
	down    chan struct{}

	proposed func(*protocol.Spec) // is told of every proposal that the coordinator sends; nil: nobody is

	noPasses atomic.Bool  // devices are not admitted
	asked    atomic.Int64 // how often somebody has asked about a member
}

// identity is a node's key.
type identity struct{ key ed25519.PrivateKey }

func newIdentity(t testing.TB) identity {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return identity{key}
}

func (i identity) ID() protocol.PeerID     { return p2p.PeerOf(i.key.Public().(ed25519.PublicKey)) }
func (i identity) Sign(data []byte) []byte { return ed25519.Sign(i.key, data) }

func newFakeNet(t testing.TB, names ...string) *fakeNet {
	n := &fakeNet{
		t: t, id: newIdentity(t), parties: make(map[protocol.PeerID]*party), secrets: make(map[string][]byte), allowed: make(map[string]protocol.Approvers),
		joined: make(map[protocol.SID]map[protocol.PeerID]script), down: make(chan struct{}),
	}
	for _, name := range names {
		n.order = append(n.order, n.add(&party{identity: newIdentity(t), name: name, boot: 1, delegate: strings.HasPrefix(name, "delegate")}))
	}
	t.Cleanup(func() {
		close(n.down)
		n.work.Wait()
	})
	return n
}

// add makes a party reachable.
func (n *fakeNet) add(p *party) *party {
	p.net, p.pending, p.stopped, p.shares = n, make(map[protocol.SID]*delivery), make(map[protocol.SID]bool), make(map[string]*fakeShare)
	p.openSeal()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.parties[p.ID()] = p
	return p
}

// at returns the party of a peer id, nil if there is none.
func (n *fakeNet) at(peer protocol.PeerID) *party {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.parties[peer]
}

// party returns a party by name.
func (n *fakeNet) party(name string) *party {
	for _, p := range n.order {
		if p.name == name {
			return p
		}
	}
	n.t.Fatalf("no party %s", name)
	return nil
}

func (n *fakeNet) ID() protocol.PeerID { return n.id.ID() }

func (n *fakeNet) Member(peer protocol.PeerID) (pool.Member, bool) {
	n.asked.Add(1)
	p := n.at(peer)
	if p == nil || p.external {
		return pool.Member{}, false
	}
	return pool.Member{Name: p.name, Party: true, Delegate: p.delegate}, true
}

func (n *fakeNet) Dispatch(receive func(protocol.PeerID, []byte)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.receive = receive
	return nil
}

func (n *fakeNet) Heartbeats(ctx context.Context, observe func(*protocol.Heartbeat)) error {
	n.mu.Lock()
	n.observe = observe
	n.mu.Unlock()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		n.beat()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// beat gives the coordinator a heartbeat of every party that is there. None is sealed: with a network
// for each test that would be most of what a run has to compute.
func (n *fakeNet) beat() {
	n.mu.Lock()
	observe := n.observe
	n.mu.Unlock()
	if observe == nil {
		return
	}
	for _, p := range n.order {
		if h := p.beat(); h != nil {
			observe(h)
		}
	}
}

func (n *fakeNet) Ping(ctx context.Context, peer protocol.PeerID) (time.Duration, error) {
	p := n.at(peer)
	if p == nil {
		return 0, errUnreachable
	}
	if p.isDead() || p.now().deaf {
		<-ctx.Done() // as a host that is gone: nothing comes back
		return 0, errors.Join(errUnreachable, ctx.Err())
	}
	return time.Millisecond, nil // also when it is late to look at ctx: a party that is there is not gone because the machine is busy
}

// onProposal has f told of every proposal from now on.
func (n *fakeNet) onProposal(f func(*protocol.Spec)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.proposed = f
}

func (n *fakeNet) Send(ctx context.Context, to protocol.PeerID, channel string, data []byte) error {
	f, err := protocol.DecodeFrame(data)
	if err != nil || channel != protocol.ChannelDispatch {
		n.t.Errorf("the coordinator sent a bad frame on %s: %v", channel, err)
		return err
	}
	n.mu.Lock()
	proposed := n.proposed
	n.mu.Unlock()
	if proposed != nil && f.Propose != nil {
		proposed(&f.Propose.Spec)
	}
	n.mu.Lock()
	n.sent = append(n.sent, *f)
	p := n.parties[to]
	lost := n.drop > 0
	if lost {
		n.drop--
	}
	n.mu.Unlock()
	if lost {
		return nil
	}
	if p == nil {
		return errUnreachable
	}
	act := p.now()
	if act.dead {
		return errUnreachable
	}
	n.spawn(func() { p.handle(f, act) })
	return ctx.Err()
}

// all gives every party the same script.
func (n *fakeNet) all(s script) {
	for _, p := range n.order {
		p.set(s)
	}
}

func (n *fakeNet) spawn(fn func()) { n.work.Go(fn) }

// deliver gives a frame of a party to the coordinator, if one is there.
func (n *fakeNet) deliver(from protocol.PeerID, f protocol.Frame) {
	data, err := protocol.Marshal(f)
	if err != nil {
		n.t.Errorf("encode frame: %v", err)
		return
	}
	n.mu.Lock()
	receive, route := n.receive, n.routes[from]
	n.mu.Unlock()
	switch {
	case route != nil:
		route(data)
	case receive != nil:
		receive(from, data)
	}
}

// via sends the frames of a party over a real host.
func (n *fakeNet) via(peer protocol.PeerID, route func([]byte)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.routes == nil {
		n.routes = make(map[protocol.PeerID]func([]byte))
	}
	n.routes[peer] = route
}

// unplug takes the coordinator off the network.
func (n *fakeNet) unplug() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.receive = nil
}

// count returns how many frames the coordinator sent for which pick holds.
func (n *fakeNet) count(pick func(*protocol.Frame) bool) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := 0
	for i := range n.sent {
		if pick(&n.sent[i]) {
			c++
		}
	}
	return c
}

// join counts who accepted, by a script, and returns who is to deliver once everyone has.
func (n *fakeNet) join(s *protocol.Spec, peer protocol.PeerID, act script) (ready []*party) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sid := s.SID()
	if n.joined[sid] == nil {
		n.joined[sid] = make(map[protocol.PeerID]script)
	}
	if _, again := n.joined[sid][peer]; again {
		return nil
	}
	n.joined[sid][peer] = act
	if len(n.joined[sid]) < len(s.Roster) {
		return nil
	}
	for _, m := range s.Roster {
		ready = append(ready, n.parties[m.Peer])
	}
	return ready
}

// actOf returns the script by which a party accepted: what it does late must not meet
// the script of the next step. If it was never asked it is the script of now.
func (n *fakeNet) actOf(s *protocol.Spec, peer protocol.PeerID) script {
	n.mu.Lock()
	act, ok := n.joined[s.SID()][peer]
	p := n.parties[peer]
	n.mu.Unlock()
	if ok {
		return act
	}
	return p.now()
}

// secret returns the whole key of an account.
func (n *fakeNet) secret(keyID string) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.secrets[keyID] == nil {
		sum := sha256.Sum256([]byte(keyID)) // a different key for each account, the same at every member
		n.secrets[keyID] = sum[:]
	}
	return n.secrets[keyID]
}

func (n *fakeNet) publicKey(scheme protocol.Scheme, keyID string) []byte {
	if scheme == protocol.EdDSA {
		return ed25519.NewKeyFromSeed(n.secret(keyID)).Public().(ed25519.PublicKey)
	}
	return secp256k1.PrivKeyFromBytes(n.secret(keyID)).PubKey().SerializeCompressed()
}

// sign makes a signature with the whole key.
func (n *fakeNet) sign(s *protocol.Spec) (sig []byte, recovery byte) {
	if s.Scheme == protocol.EdDSA {
		return ed25519.Sign(ed25519.NewKeyFromSeed(n.secret(s.Key)), s.Payload), 0
	}
	compact := ecdsa.SignCompact(secp256k1.PrivKeyFromBytes(n.secret(s.Key)), s.Payload, true)
	return compact[1:], compact[0] - 31
}

// certificate is co-signed by every member of the roster.
func (n *fakeNet) certificate(s *protocol.Spec, public []byte) *protocol.Certificate {
	c := &protocol.Certificate{Body: protocol.NewCertificateBody(s, &protocol.Result{
		PublicKey: public, PublicHash: sha256.Sum256(public),
	}, sha256.Sum256([]byte(s.Key)))}
	for _, m := range s.Roster {
		c.Signatures = append(c.Signatures, n.at(m.Peer).Sign(c.Body.Signed()))
	}
	return c
}

// IssuePass, Info and Self are what the net tells devices that join.
func (n *fakeNet) IssuePass(guest protocol.PeerID, _ time.Time) (string, error) {
	if n.noPasses.Load() {
		return "", errUnreachable
	}
	return "pass for " + guest, nil
}

func (n *fakeNet) Info() rest.NetworkInfo {
	return rest.NetworkInfo{Name: testNetwork, Bootstrap: []string{}}
}
func (n *fakeNet) Self() rest.NetworkMember { return rest.NetworkMember{PeerID: n.ID()} }
