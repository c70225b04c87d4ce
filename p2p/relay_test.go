package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// session is a session's parties: two guests that nobody can dial, and a party.
type session struct {
	net         *p2ptest.Network
	relay       *p2ptest.Node
	coordinator *p2ptest.Node
	nodes       []*p2ptest.Node // guest, guest, party

	mu     sync.Mutex
	frames map[string]bool // "from>to"
}

func newSession(t testing.TB, transport p2ptest.Transport, relays ...func(*p2p.Config)) *session {
	t.Helper()
	s := &session{net: p2ptest.New(t, p2ptest.Config{Transport: transport}), frames: map[string]bool{}}
	s.relay = s.net.Add(p2p.RoleBootstrap, relays...)
	s.relay.Start()
	s.coordinator = s.net.Add(p2p.RoleCoordinator)
	s.coordinator.Start()
	for range 2 {
		s.nodes = append(s.nodes, s.net.Add(p2p.RoleExternal, s.net.Invite(s.coordinator, time.Hour)))
	}
	s.nodes = append(s.nodes, s.net.Add(p2p.RoleParty))
	for _, n := range s.nodes {
		s.handle(t, n)
		n.Start()
	}
	return s
}

func (s *session) handle(t testing.TB, n *p2ptest.Node) {
	t.Helper()
	err := n.Handle(p2p.Channel{
		Name: "direct", MaxFrame: 1 << 20, Roles: []p2p.Role{p2p.RoleParty, p2p.RoleExternal},
		Receive: func(from p2p.PeerID, _ []byte) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.frames[from+">"+n.ID()] = true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sendAll lets everybody send everybody a frame.
func (s *session) sendAll(t testing.TB, nodes ...*p2ptest.Node) {
	t.Helper()
	ctx := within(t, time.Minute)
	for _, from := range nodes {
		for _, to := range nodes {
			if from == to {
				continue
			}
			if err := from.Send(ctx, to.ID(), "direct", make([]byte, 100<<10)); err != nil {
				t.Fatalf("%d to %d: %v", from.Index, to.Index, err)
			}
			p2ptest.Eventually(t, 30*time.Second, "a frame arrives", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.frames[from.ID()+">"+to.ID()]
			})
		}
	}
}

// Guests that cannot dial each other take part in a session's topic and its
// channels, with each other and with a party.
func TestGuestsMeetThroughARelay(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			s := newSession(t, transport)
			begin := time.Now()
			if err := committee(t, "s/1", s.nodes); err != nil {
				t.Fatal(err)
			}
			t.Logf("all heard all after %v", time.Since(begin))
			s.sendAll(t, s.nodes...)
			a, b := s.nodes[0], s.nodes[1]
			if !p2p.Relayed(t, a.Host, b.ID()) || !p2p.Relayed(t, b.Host, a.ID()) {
				t.Error("the guests are connected without the relay: the test shows nothing")
			}
			if took, err := a.Ping(within(t, 20*time.Second), b.ID()); err != nil {
				t.Error(err)
			} else {
				t.Logf("ping through the relay: %v", took)
			}
			if got := s.relay.Stats(); got.Slots < 2 || got.Circuits == 0 || got.CircuitBytes < 400<<10 {
				t.Errorf("the relay counted %+v", got)
			}
			m, met := a.Member(b.ID())
			if !met || m.Role != p2p.RoleExternal || m.Name == "" || !strings.HasSuffix(b.ID(), m.Name) {
				t.Errorf("one guest knows the other as %+v", m)
			}
		})
	}
}

// The control: without a relay they do not.
func TestGuestsDoNotMeetWithoutARelay(t *testing.T) {
	s := newSession(t, p2ptest.QUIC, func(c *p2p.Config) { c.Relay = false })
	a, b := s.nodes[0], s.nodes[1]
	p2ptest.Eventually(t, 30*time.Second, "the guests are at the bootstrap node", func() bool {
		_, metA := s.relay.Member(a.ID())
		_, metB := s.relay.Member(b.ID())
		return metA && metB
	})
	err := a.Connect(within(t, 2*time.Second), b.ID())
	if !errors.Is(err, p2p.ErrUnreachable) {
		t.Errorf("connected with %v", err)
	}
	t.Log(err)
}

// A guest tells its address on the relay, and others reach it there with no more
// knowledge than that: a host without bootstrap nodes.
func TestCircuitAddresses(t *testing.T) {
	s := newSession(t, p2ptest.TCP)
	guest := s.nodes[0]
	p2ptest.Eventually(t, 30*time.Second, "the guest has a slot", func() bool { return len(guest.Addrs()) > 0 })
	addr := guest.Addrs()[0]
	if !strings.HasPrefix(addr, s.relay.Addrs()[0]+"/p2p-circuit/p2p/"+guest.ID()) {
		t.Errorf("the guest is at %s", addr)
	}
	for name, reach := range map[string]func(*p2ptest.Node) error{
		"ConnectAt": func(n *p2ptest.Node) error { return n.ConnectAt(within(t, 20*time.Second), addr) },
		"Hint": func(n *p2ptest.Node) error {
			return errors.Join(n.Hint(guest.ID(), addr), n.Connect(within(t, 20*time.Second), guest.ID()))
		},
	} {
		alone := s.net.Add(p2p.RoleParty, func(c *p2p.Config) { c.Bootstrap = nil })
		if err := reach(alone); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Others learn it from the peer itself.
	if err := s.nodes[2].Hint(guest.ID(), "/ip4/127.0.0.1/tcp/1/p2p/"+s.relay.ID()); !errors.Is(err, p2p.ErrAddr) {
		t.Errorf("an address of another peer: %v", err)
	}
}

// A member behind address translation uses relays, too, if told so.
func TestMemberUsesRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		net.Add(p2p.RoleBootstrap).Start()
		a := net.Add(p2p.RoleParty, func(c *p2p.Config) { c.UseRelays = true })
		b := net.Add(p2p.RoleParty)
		net.Sim.Cut(a.Index, b.Index, true)
		a.Start()
		b.Start()
		defer b.Keep(a.ID())()
		p2ptest.Eventually(t, 20*time.Second, "they are connected", func() bool {
			_, met := b.Member(a.ID())
			return met
		})
		if !p2p.Relayed(t, b.Host, a.ID()) {
			t.Error("not over the relay")
		}
	})
}

// A relay that dies takes its circuits along; the session goes on over another
// one, and over the first when it is back.
func TestRelayDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		relays := []*p2ptest.Node{net.Add(p2p.RoleBootstrap), net.Add(p2p.RoleBootstrap)}
		coordinator := net.Add(p2p.RoleCoordinator)
		a := net.Add(p2p.RoleExternal, net.Invite(coordinator, 20*time.Hour))
		b := net.Add(p2p.RoleExternal, net.Invite(coordinator, 20*time.Hour))
		net.Sim.Cut(a.Index, b.Index, true)
		for _, n := range net.Nodes {
			n.Start()
		}
		defer a.Keep(b.ID())()
		defer b.Keep(a.ID())()
		for i := range 4 {
			begin := time.Now()
			converse(t, fmt.Sprint("s/", i), a, b)
			t.Logf("round %d: heard after %v", i, time.Since(begin))
			relays[i%2].Kill()
			relays[i%2].Restart(false) // nobody is there for a while
			relays[i%2].Stop()
			if i > 0 {
				relays[(i+1)%2].Restart(true)
			}
		}
	})
}

// converse has nodes talk on a fresh topic, repeating themselves, until everybody
// has heard everybody: what was sent before a connection broke is lost.
func converse(t *testing.T, name string, nodes ...*p2ptest.Node) {
	t.Helper()
	ctx := within(t, time.Minute)
	var heard sync.Map
	var all sync.WaitGroup
	talking, quiet := context.WithCancel(ctx)
	for _, n := range nodes {
		topic := join(t, n, name, p2ptest.IDs(nodes...))
		all.Go(func() {
			for i := 0; talking.Err() == nil; i++ {
				pause, cancel := context.WithTimeout(talking, 100*time.Millisecond)
				if topic.Ready(pause) == nil {
					topic.Publish(pause, sealed(n, fmt.Sprint(name, i))) //nolint:errcheck // it is repeated
				}
				for d, err := topic.Next(pause); err == nil; d, err = topic.Next(pause) {
					heard.Store(d.From+">"+n.ID(), true)
				}
				cancel()
			}
			topic.Close() //nolint:errcheck // the test is over
		})
	}
	p2ptest.Eventually(t, 30*time.Second, "everybody hears everybody", func() bool {
		pairs := 0
		heard.Range(func(any, any) bool { pairs++; return true })
		return pairs == len(nodes)*(len(nodes)-1)
	})
	quiet()
	all.Wait()
}

// A slot is held for as long as the guest is there, and again when it was cut off.
func TestSlotIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, p2ptest.Simulated)
		a, b := s.nodes[0], s.nodes[1]
		s.net.Sim.Cut(a.Index, b.Index, true)
		if err := committee(t, "s/1", s.nodes[:2]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute) // virtual; many lives of a slot
		late := s.net.Add(p2p.RoleParty)
		s.net.Sim.Cut(late.Index, b.Index, true)
		if err := late.Connect(within(t, 10*time.Second), b.ID()); err != nil {
			t.Errorf("after 30 minutes: %v", err)
		}
		s.net.Sim.Isolate(b.Index, true)
		time.Sleep(5 * time.Second) // its keeper has given up the connection, the relay has not
		s.net.Sim.Isolate(b.Index, false)
		p2ptest.Eventually(t, 10*time.Second, "the guest is reached again", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			_, err := late.Ping(ctx, b.ID())
			return err == nil
		})
	})
}
