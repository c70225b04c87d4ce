//go:build netns

package natns_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/natns"
)

// node is a host in a process of its own: a bootstrap node or, with members, one
// that takes part in their session.
type node struct {
	Host    hostConfig
	Members []p2p.PeerID
	Hints   map[p2p.PeerID][]string
}

// hostConfig is a Config that goes through JSON, without the field that cannot.
type hostConfig struct {
	p2p.Config
	Simulated *struct{} `json:",omitempty"`
}

const (
	topicName = "s/1"
	channel   = "direct"
	sayEvery  = 200 * time.Millisecond
)

// run takes part until ctx ends and reports at every repetition.
func (n *node) run(ctx context.Context) error {
	h, err := p2p.New(n.Host.Config)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	defer func() { <-ended }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { ended <- h.Run(ctx) }()
	say(report{Addrs: h.Addrs()})
	if len(n.Members) == 0 {
		<-ctx.Done()
		return nil
	}
	return n.takePart(ctx, h)
}

// seen notes whom a node has heard.
type seen struct {
	mu            sync.Mutex
	topic, frames map[p2p.PeerID]bool
}

func (n *node) takePart(ctx context.Context, h *p2p.Host) error {
	s := &seen{topic: map[p2p.PeerID]bool{}, frames: map[p2p.PeerID]bool{}}
	err := h.Handle(p2p.Channel{
		Name: channel, MaxFrame: 1 << 20, Roles: []p2p.Role{p2p.RoleParty, p2p.RoleExternal},
		Receive: func(from p2p.PeerID, _ []byte) { s.note(s.frames, from) },
	})
	if err != nil {
		return err
	}
	for id, addrs := range n.Hints {
		if err := h.Hint(id, addrs...); err != nil {
			return err
		}
	}
	defer h.Keep(n.Members...)()
	topic, err := h.Join(p2p.TopicConfig{Name: topicName, Members: n.Members, Validate: open})
	if err != nil {
		return err
	}
	for i := byte(0); ctx.Err() == nil; i++ {
		for _, to := range n.Members {
			if _, met := h.Member(to); met && to != h.ID() {
				h.Send(ctx, to, channel, make([]byte, 64<<10)) //nolint:errcheck // it is repeated
			}
		}
		topic.Publish(ctx, seal(h, i)) //nolint:errcheck // it is repeated
		pause, cancel := context.WithTimeout(ctx, sayEvery)
		for d, err := topic.Next(pause); err == nil; d, err = topic.Next(pause) {
			s.note(s.topic, d.From)
		}
		cancel()
		say(s.report(h))
	}
	return topic.Close()
}

func (s *seen) note(where map[p2p.PeerID]bool, from p2p.PeerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	where[from] = true
}

func (s *seen) report(h *p2p.Host) report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := report{Addrs: h.Addrs(), Peers: map[string]string{}}
	for id := range s.topic {
		r.Topic = append(r.Topic, id)
	}
	for id := range s.frames {
		r.Frames = append(r.Frames, id)
	}
	for _, p := range h.Peers() {
		r.Peers[p.Peer] = "direct"
		if !slices.ContainsFunc(p.Addrs, func(a string) bool { return !strings.Contains(a, "/p2p-circuit") }) {
			r.Peers[p.Peer] = "relayed"
		}
	}
	return r
}

// seal and open sign a topic message as envelopes are.
func seal(h *p2p.Host, i byte) []byte {
	body := append([]byte{i}, h.ID()...)
	return append(h.Sign(body), body...)
}

func open(data []byte) (p2p.PeerID, any, bool) {
	if len(data) < ed25519.SignatureSize+2 {
		return "", nil, false
	}
	sig, body := data[:ed25519.SignatureSize], data[ed25519.SignatureSize:]
	return string(body[1:]), nil, p2p.Verify(string(body[1:]), body, sig)
}

// session is a bootstrap node and a party in public and a guest in each home.
type session struct {
	vouch *network
	addrs []string // of the bootstrap node

	bootstrap             *process
	guestA, guestB, party *process
	idA, idB, idParty     p2p.PeerID
}

// network is what vouches for the processes.
type network struct {
	t           *testing.T
	authority   ed25519.PrivateKey
	coordinator *p2p.Host
}

func newNetwork(t *testing.T) *network {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := &network{t: t, authority: key}
	if n.coordinator, err = p2p.New(n.member(p2p.RoleCoordinator, "/ip4/127.0.0.1/udp/0/quic-v1")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.coordinator.Close() }) //nolint:errcheck // the test is over
	return n
}

func (n *network) member(role p2p.Role, listen ...string) p2p.Config {
	n.t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	cfg := p2p.Config{
		Identity: key, Network: "test", Authority: n.authority.Public().(ed25519.PublicKey), Listen: listen,
	}
	if role == p2p.RoleExternal {
		cfg.Credential, err = n.coordinator.IssuePass(p2p.PeerOf(pub), time.Now().Add(time.Hour))
	} else {
		cfg.Credential, err = p2p.IssueCredential(n.authority, cfg.Network, p2p.Member{Peer: p2p.PeerOf(pub), Role: role})
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return cfg
}

func idOf(c p2p.Config) p2p.PeerID { return p2p.PeerOf(c.Identity.Public().(ed25519.PublicKey)) }

// newSession starts all four. Guests know where the party is if hints is set.
func newSession(t *testing.T, n *natns.Net, transport string, relay, hints bool) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // it kills them
	t.Cleanup(cancel)
	net := newNetwork(t)
	at := func(ip string) string {
		return "/ip4/" + ip + map[string]string{"tcp": "/tcp/0", "quic": "/udp/0/quic-v1"}[transport]
	}
	run := func(ns natns.Namespace, node node) (*process, report) {
		p := start(t, n.Exec(ctx, ns, self(t)), config{Node: &node})
		t.Cleanup(p.end)
		return p, p.next(t, ctx)
	}
	boot := net.member(p2p.RoleBootstrap, at(n.Public.IP))
	boot.Relay = relay
	a, b := net.member(p2p.RoleExternal, at("0.0.0.0")), net.member(p2p.RoleExternal, at("0.0.0.0"))
	party := net.member(p2p.RoleParty, at(n.Public.IP))
	s := &session{vouch: net, idA: idOf(a), idB: idOf(b), idParty: idOf(party)}
	var at0 report
	s.bootstrap, at0 = run(n.Public, node{Host: hostConfig{Config: boot}})
	s.addrs = at0.Addrs
	a.Bootstrap, b.Bootstrap, party.Bootstrap = s.addrs, s.addrs, s.addrs
	members := []p2p.PeerID{s.idA, s.idB, s.idParty}
	var known map[p2p.PeerID][]string
	s.party, at0 = run(n.Public, node{Host: hostConfig{Config: party}, Members: members})
	if hints {
		known = map[p2p.PeerID][]string{s.idParty: at0.Addrs}
	}
	s.guestA, _ = run(n.HomeA, node{Host: hostConfig{Config: a}, Members: members, Hints: known})
	s.guestB, _ = run(n.HomeB, node{Host: hostConfig{Config: b}, Members: members, Hints: known})
	return s
}

// waitHeard waits until a node has heard peers on the topic and by frames.
func waitHeard(t *testing.T, p *process, peers ...p2p.PeerID) {
	t.Helper()
	waitReport(t, p, "everybody was heard", func(r report) bool {
		return !slices.ContainsFunc(peers, func(id p2p.PeerID) bool {
			return !slices.Contains(r.Topic, id) || !slices.Contains(r.Frames, id)
		})
	})
}

// waitReport waits until a node reports something.
func waitReport(t *testing.T, p *process, what string, good func(report) bool) report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		r := p.next(t, ctx)
		if good(r) {
			return r
		}
		if ctx.Err() != nil { // there is always another report
			t.Fatalf("not within a minute: %s; the last report: %+v", what, r)
		}
	}
}

// Two guests behind two NATs and a party in public are on one session topic, and
// each pair exchanges messages and frames both ways.
func TestGuestsBehindNATs(t *testing.T) {
	n := newNet(t)
	for name, c := range map[string]struct {
		transport string
		hints     bool
	}{
		"quic": {"quic", true}, "tcp": {"tcp", true}, "quic, the party calls the guests": {"quic", false},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			s := newSession(t, n, c.transport, true, c.hints)
			waitHeard(t, s.guestA, s.idB, s.idParty)
			waitHeard(t, s.guestB, s.idA, s.idParty)
			waitHeard(t, s.party, s.idA, s.idB)
			t.Logf("everybody heard everybody within %v", time.Since(begin))
			// It may have been called before it has a slot of its own.
			a := waitReport(t, s.guestA, "a guest has an address at the relay and is connected", func(r report) bool {
				return r.Peers[s.idB] != "" && slices.ContainsFunc(r.Addrs, func(x string) bool { return strings.Contains(x, "/p2p-circuit/p2p/"+s.idA) })
			})
			b := waitReport(t, s.guestB, "the other one is connected", func(r report) bool { return r.Peers[s.idA] != "" })
			if a.Peers[s.idB] != "relayed" || b.Peers[s.idA] != "relayed" {
				t.Errorf("the guests' connections: %v, %v", a.Peers, b.Peers)
			}
			t.Logf("to the party: %s", a.Peers[s.idParty])
		})
	}
}

// The control: without the relay the guests reach the party and not each other.
// What one says on the topic may reach the other all the same, a heartbeat later:
// gossip makes good a loss through the party.
func TestGuestsBehindNATsWithoutRelay(t *testing.T) {
	n := newNet(t)
	s := newSession(t, n, "quic", false, true)
	waitHeard(t, s.guestA, s.idParty)
	waitHeard(t, s.guestB, s.idParty)
	waitHeard(t, s.party, s.idA, s.idB)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for until := time.Now().Add(8 * time.Second); time.Now().Before(until); {
		a, b := s.guestA.next(t, ctx), s.guestB.next(t, ctx)
		if a.Peers[s.idB] != "" || b.Peers[s.idA] != "" || slices.Contains(a.Frames, s.idB) || slices.Contains(b.Frames, s.idA) {
			t.Fatalf("the guests have met: %+v, %+v", a, b)
		}
	}
}

// A guest whose device gets another address leaves a TCP connection to the relay
// behind that looks alive there for minutes. Whoever calls the guest through the
// relay then reaches it over its new connection nevertheless.
func TestGuestMoves(t *testing.T) {
	n := newNet(t)
	s := newSession(t, n, "tcp", true, false)
	waitHeard(t, s.guestA, s.idB, s.idParty)
	out, err := n.Exec(t.Context(), n.HomeA, "sh", "-c",
		"ip addr flush dev eth && ip addr add 10.1.0.77/24 dev eth && ip route add default via 10.1.0.1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	begin := time.Now()
	late := s.vouch.member(p2p.RoleParty, "/ip4/"+n.Public.IP+"/tcp/0")
	late.Bootstrap = s.addrs
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	p := start(t, n.Exec(ctx, n.Public, self(t)), config{Node: &node{Host: hostConfig{Config: late}, Members: []p2p.PeerID{idOf(late), s.idA}}})
	t.Cleanup(p.end)
	for p.next(t, ctx).Peers[s.idA] == "" {
		s.guestA.next(t, ctx) // both keep talking
	}
	took := time.Since(begin)
	t.Logf("the guest was reached %v after it had moved", took)
	if took > 40*time.Second { // a machine that is busy needs ten
		t.Errorf("it was reached after %v", took)
	}
}
