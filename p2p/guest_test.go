package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// hosting is a party, a coordinator and a guest of its that is connected to the
// party.
func hosting(t testing.TB, transport p2ptest.Transport) (net *p2ptest.Network, party, coordinator, guest *p2ptest.Node) {
	t.Helper()
	net = p2ptest.New(t, p2ptest.Config{Transport: transport})
	party, coordinator = net.Add(p2p.RoleParty), net.Add(p2p.RoleCoordinator)
	guest = net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour))
	if err := guest.Reach(within(t, 20*time.Second), party); err != nil {
		t.Fatal(err)
	}
	return net, party, coordinator, guest
}

// A guest sends on channels that name its role, and on no others.
func TestGuestChannels(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			_, party, _, guest := hosting(t, transport)
			got := make(chan string, 10)
			for name, roles := range map[string][]p2p.Role{
				"everybody": nil,
				"parties":   {p2p.RoleParty, p2p.RoleCoordinator},
				"direct":    {p2p.RoleParty, p2p.RoleExternal},
			} {
				err := party.Handle(p2p.Channel{Name: name, MaxFrame: 100, Roles: roles, Receive: func(p2p.PeerID, []byte) { got <- name }})
				if err != nil {
					t.Fatal(err)
				}
			}
			ctx := within(t, time.Minute)
			for _, name := range []string{"everybody", "parties"} {
				guest.Send(ctx, party.ID(), name, []byte("x")) //nolint:errcheck // the other side decides
			}
			p2ptest.Eventually(t, 30*time.Second, "both are rejected", func() bool { return party.Stats().FramesRejected == 2 })
			if err := guest.Send(ctx, party.ID(), "direct", []byte("x")); err != nil {
				t.Fatal(err)
			}
			if name := <-got; name != "direct" {
				t.Errorf("a frame arrived on %s", name)
			}
			if _, err := guest.Ping(ctx, party.ID()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A guest takes part in topics that name it. It hears nothing of the others, even
// if it was there first, and what it says there is heard by nobody.
func TestGuestTopics(t *testing.T) {
	net, party, _, guest := hosting(t, p2ptest.TCP)
	other := net.Add(p2p.RoleParty)
	net.Mesh(party, other)
	if err := guest.Reach(within(t, 20*time.Second), other); err != nil {
		t.Fatal(err)
	}
	guest.Start()
	defer guest.Keep(party.ID(), other.ID())()
	members := p2ptest.IDs(party, other)
	for _, c := range []struct {
		name   string
		theirs []p2p.PeerID // as the parties know the topic
		early  bool         // the guest subscribes before they do
		heard  bool
	}{
		{"pool", nil, false, false},
		{"pool-early", nil, true, false},
		{"s/theirs", members, false, false},
		{"s/theirs-early", members, true, false},
		{"s/ours", append(slices.Clone(members), guest.ID()), false, true},
		{"s/ours-early", append(slices.Clone(members), guest.ID()), true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mine *p2p.Topic
			enter := func() {
				topic, err := guest.Join(p2p.TopicConfig{Name: c.name, Members: append(slices.Clone(members), guest.ID()), Validate: open})
				if err != nil {
					t.Fatal(err)
				}
				mine = topic
			}
			if c.early {
				enter()
			}
			a, b := join(t, party, c.name, c.theirs), join(t, other, c.name, c.theirs)
			if !c.early {
				enter()
			}
			if c.heard {
				allReady(t, a, b, mine)
			}
			// Everybody goes on until those have heard who should: news of who is subscribed
			// may be on its way, and a guest that has said too much on topics of others is
			// away for a moment.
			round, aHeard, bHeard, guestHeard := 0, false, false, false
			p2ptest.Eventually(t, time.Minute, "the other party hears the party, and so do those named", func() bool {
				for range 10 {
					round++
					say(t, mine, guest, fmt.Sprint("guest ", round))
					say(t, a, party, fmt.Sprint("party ", round))
				}
				bHeard = heardFrom(t, b, party.ID()) || bHeard
				guestHeard = heardFrom(t, mine, party.ID()) || guestHeard
				aHeard = heardFrom(t, a, guest.ID()) || aHeard
				return bHeard && (!c.heard || guestHeard && aHeard)
			})
			if guestHeard != c.heard {
				t.Errorf("the guest heard the party: %v", guestHeard)
			}
			if aHeard != c.heard {
				t.Errorf("the party heard the guest: %v", aHeard)
			}
		})
	}
}

func allReady(t *testing.T, topics ...*p2p.Topic) {
	t.Helper()
	ctx := within(t, time.Minute)
	errs := make(chan error, len(topics))
	for _, topic := range topics {
		go func() { errs <- topic.Ready(ctx) }()
	}
	for range topics {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
}

func say(t *testing.T, topic *p2p.Topic, from *p2ptest.Node, body string) {
	t.Helper()
	if err := topic.Publish(within(t, 20*time.Second), sealed(from, body)); err != nil {
		t.Fatal(err)
	}
}

// heardFrom tells whether a message of a peer arrives within a moment.
func heardFrom(t *testing.T, topic *p2p.Topic, from p2p.PeerID) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	for {
		d, err := topic.Next(ctx)
		if err != nil {
			return false
		}
		if d.From == from {
			return true
		}
	}
}

// rawGuest is a peer of a party's that speaks libp2p as it likes, after a hello
// with a guest's pass or, for the control, a party's credential.
func rawGuest(t *testing.T, role p2p.Role) (h host.Host, server *p2ptest.Node, to peer.ID) {
	t.Helper()
	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.TCP})
	coordinator := net.Add(p2p.RoleCoordinator)
	server = net.Add(p2p.RoleParty)
	pub, key := newKey(t)
	id := p2p.PeerOf(pub)
	token := net.Credential(p2p.Member{Peer: id, Role: p2p.RoleParty})
	if role == p2p.RoleExternal {
		pass, err := coordinator.IssuePass(id, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		token = pass
	}
	h = rawPeer(t, key, server)
	if code := p2p.HelloOf(t, h, server.ID(), token); code != "" {
		t.Fatalf("refused with %q", code)
	}
	to, err := peer.Decode(server.ID())
	if err != nil {
		t.Fatal(err)
	}
	return h, server, to
}

// answers tells whether the peer reads a stream of the protocol given.
func answers(t *testing.T, h host.Host, to peer.ID, proto protocol.ID, question []byte) bool {
	t.Helper()
	s, err := h.NewStream(network.WithNoDial(within(t, 20*time.Second), "test"), to, proto)
	if err != nil {
		return false
	}
	defer s.Reset()                                     //nolint:errcheck // the test is over
	s.Write(question)                                   //nolint:errcheck // it may be reset by now
	s.SetReadDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // TCP has deadlines
	_, err = io.ReadFull(s, make([]byte, 2))
	return err == nil
}

// The DHT neither answers a guest nor counts on one that pretends to serve it.
func TestGuestAndDHT(t *testing.T) {
	// FIND_NODE for a key of four bytes, in the DHT's own framing (libp2p kad-dht
	// specification).
	find := []byte{8, 8, 4, 18, 4, 'a', 'b', 'c', 'd'}
	for _, role := range []p2p.Role{p2p.RoleParty, p2p.RoleExternal} {
		t.Run(string(role), func(t *testing.T) {
			h, server, to := rawGuest(t, role)
			member := role == p2p.RoleParty
			if !answers(t, h, to, "/mpc/test/ping/1", make([]byte, 8)) {
				t.Error("its ping is not answered")
			}
			if got := answers(t, h, to, "/mpc/test/kad/1.0.0", find); got != member {
				t.Errorf("its question to the DHT is answered: %v", got)
			}
			d, err := dht.New(h, dht.ProtocolPrefix("/mpc/test"), dht.Mode(dht.ModeServer), dht.DisableValues())
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close() //nolint:errcheck // the test is over
			looks := 0
			entered := func() bool {
				// Each change of what the peer speaks makes the server look at it anew.
				if looks++; looks%50 == 0 {
					h.SetStreamHandler(protocol.ID(fmt.Sprint("/test/", looks)), func(s network.Stream) { s.Reset() }) //nolint:errcheck // nobody calls
				}
				return p2p.InRoutingTable(t, server.Host, h.ID().String())
			}
			if member {
				p2ptest.Eventually(t, 30*time.Second, "a member that serves the DHT is in the routing table", entered)
				return
			}
			until := time.Now().Add(time.Second)
			p2ptest.Eventually(t, 30*time.Second, "a second is over", func() bool {
				if entered() {
					t.Fatal("a guest is in the routing table")
				}
				return time.Now().After(until)
			})
		})
	}
}

// A guest's own host serves no DHT.
func TestGuestServesNoDHT(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.TCP})
	coordinator := net.Add(p2p.RoleCoordinator)
	listening := func(c *p2p.Config) { c.Listen = []string{"/ip4/127.0.0.1/tcp/0"} }
	for role, change := range map[p2p.Role]func(*p2p.Config){
		p2p.RoleParty: listening, p2p.RoleExternal: net.Invite(coordinator, time.Hour),
	} {
		server := net.Add(role, change, listening)
		pub, key := newKey(t)
		h := rawPeer(t, key, server)
		if code := p2p.HelloOf(t, h, server.ID(), net.Credential(p2p.Member{Peer: p2p.PeerOf(pub), Role: p2p.RoleParty})); code != "" {
			t.Fatalf("refused with %q", code)
		}
		protocols := h.Peerstore()
		known, err := protocols.SupportsProtocols(h.Network().Peers()[0], "/mpc/test/kad/1.0.0")
		if err != nil || (len(known) > 0) != (role == p2p.RoleParty) {
			t.Errorf("a %s speaks %v (%v)", role, known, err)
		}
	}
}

// So many guests come in and no more, but members do.
func TestTooManyGuests(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	coordinator := net.Add(p2p.RoleCoordinator)
	party := net.Add(p2p.RoleParty, func(c *p2p.Config) { c.MaxGuests = 2 })
	ctx := within(t, time.Minute)
	var guests []*p2ptest.Node
	for range 3 {
		guests = append(guests, net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour)))
	}
	for _, g := range guests[:2] {
		if err := g.Reach(ctx, party); err != nil {
			t.Fatal(err)
		}
	}
	refused, _ := isRefused(t, guests[2], party)
	if !errors.Is(refused, p2p.ErrTooManyGuests) || !refused.ByRemote {
		t.Errorf("the third guest: %v, want ErrTooManyGuests", refused)
	}
	t.Log(refused)
	if err := coordinator.Reach(ctx, party); err != nil {
		t.Errorf("a member: %v", err)
	}
	guests[0].Stop()
	p2ptest.Eventually(t, 30*time.Second, "the third guest comes in when the first has left", func() bool {
		return guests[2].Reach(ctx, party) == nil
	})
}

// What the resource manager allows a guest is less than what a member gets.
func TestGuestStreamsAreLimited(t *testing.T) {
	net, party, coordinator, guest := hosting(t, p2ptest.TCP)
	net.Mesh(party, coordinator)
	const many = 400
	asGuest, asMember := p2p.OpenStreams(t, guest.Host, party.Host, many), p2p.OpenStreams(t, coordinator.Host, party.Host, many)
	if asGuest >= 256 || asMember != many {
		t.Errorf("of %d streams %d of the guest's and %d of the member's stay open", many, asGuest, asMember)
	}
	t.Logf("of %d streams %d of the guest's and %d of the member's stay open", many, asGuest, asMember)
}

// Roles decide what a configuration may ask for.
func TestConfigByRole(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	coordinator := net.Add(p2p.RoleCoordinator)
	invite := net.Invite(coordinator, time.Hour)
	for name, c := range map[string]struct {
		role   p2p.Role
		change func(*p2p.Config)
		good   bool
	}{
		"a guest":               {p2p.RoleExternal, func(c *p2p.Config) { invite(c) }, true},
		"a guest that seeks":    {p2p.RoleExternal, func(c *p2p.Config) { invite(c); c.Seek = []p2p.Role{p2p.RoleParty} }, false},
		"a guest that relays":   {p2p.RoleExternal, func(c *p2p.Config) { invite(c); c.Relay = true }, false},
		"a party that relays":   {p2p.RoleParty, func(c *p2p.Config) { c.Relay = true }, false},
		"a party, relayed":      {p2p.RoleParty, func(c *p2p.Config) { c.UseRelays = true }, true},
		"a party, not dialable": {p2p.RoleParty, func(c *p2p.Config) { c.Listen = nil }, false},
		"a relay":               {p2p.RoleBootstrap, func(c *p2p.Config) { c.Relay = true }, true},
		"fewer than no guests":  {p2p.RoleParty, func(c *p2p.Config) { c.MaxGuests = -1 }, false},
	} {
		cfg := net.Prepare(c.role, c.change)
		if err := cfg.Validate(); (err == nil) != c.good || (err != nil && !errors.Is(err, p2p.ErrConfig)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
