package p2p

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
)

// A hundred nodes behind one address come in at once, over both transports.
func TestManyNodesShareAnAddress(t *testing.T) {
	resources, err := resourceManager()
	if err != nil {
		t.Fatal(err)
	}
	defer resources.Close() //nolint:errcheck // the test is over
	for _, addr := range []string{"/ip4/198.51.100.7/udp/4001/quic-v1", "/ip4/198.51.100.7/tcp/4001", "/ip6/2001:db8::7/tcp/4001"} {
		a, err := ma.NewMultiaddr(addr)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			scope, err := resources.OpenConnection(network.DirInbound, false, a)
			if err != nil {
				t.Fatalf("%s: connection %d: %v", addr, i, err)
			}
			defer scope.Done()
		}
	}
}

// What one peer may have open is bounded, and does not use up what others may.
func TestOnePeerHasItsShareOfConnectionsAndStreams(t *testing.T) {
	resources, err := resourceManager()
	if err != nil {
		t.Fatal(err)
	}
	defer resources.Close() //nolint:errcheck // the test is over
	a, err := ma.NewMultiaddr("/ip4/198.51.100.7/udp/4001/quic-v1")
	if err != nil {
		t.Fatal(err)
	}
	connect := func(p peer.ID) error {
		scope, err := resources.OpenConnection(network.DirInbound, false, a)
		if err != nil {
			return err
		}
		t.Cleanup(scope.Done)
		return scope.SetPeer(p)
	}
	open := func(p peer.ID, i int) error {
		scope, err := resources.OpenStream(p, network.DirInbound)
		if err != nil {
			return err
		}
		t.Cleanup(scope.Done)
		return scope.SetProtocol(protocol.ID(fmt.Sprint("/test/", i%64)))
	}
	count := func(most int, try func(i int) error) (n int) {
		for n < most && try(n) == nil {
			n++
		}
		return n
	}
	if n := count(2*connsPerPeer, func(int) error { return connect("mallory") }); n != connsPerPeer {
		t.Errorf("one peer has %d connections, want %d", n, connsPerPeer)
	}
	if n := count(2*streamsPeer, func(i int) error { return open("mallory", i) }); n != streamsPeer {
		t.Errorf("one peer has %d streams, want %d", n, streamsPeer)
	}
	if connect("alice") != nil || open("alice", 0) != nil {
		t.Error("another peer has none")
	}
}

// A peer is subscribed to so many topics, guests to fewer, and leaves room for others.
func TestSubscriptionsAreBounded(t *testing.T) {
	table := newTopicTable("me", func(p peer.ID) bool { return p != "guest" })
	for p, most := range map[peer.ID]int{"mallory": maxSubscriptions, "guest": maxGuestTopics} {
		kept := 0
		for i := range 2 * maxSubscriptions {
			if table.subscribe(p, fmt.Sprint("topic ", i)) {
				kept++
			}
		}
		if kept != most {
			t.Errorf("%s is subscribed to %d topics, want %d", p, kept, most)
		}
	}
	if !table.subscribe("alice", "topic") {
		t.Error("another peer may not subscribe")
	}
	filter := &subscriptionFilter{prefix: "/mpc/test/", table: table, stats: &counters{}}
	long := "/mpc/test/" + string(make([]byte, maxTopicName))
	if filter.CanSubscribe(long) || filter.CanSubscribe("/mpc/other/pool") || !filter.CanSubscribe("/mpc/test/pool") {
		t.Error("topics of other networks, or names without end, pass")
	}
}

// What a peer passes on is bounded in bytes as in messages, on each topic for itself. The
// clock stands meanwhile: on the real one a test that is held up sees more pass.
func TestAPeersPaceOnATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTopicTable("me", func(peer.ID) bool { return true })
		for _, name := range []string{"a", "b", "shared"} {
			if _, err := table.join(name, nil, name == "shared"); err != nil {
				t.Fatal(err)
			}
		}
		count := func(p peer.ID, name string, size int) (n int) {
			for table.judge(p, name, size) == fine {
				n++
			}
			return n
		}
		if n := count("mallory", "a", 1); n != topicBurst {
			t.Errorf("%d messages at once, want %d", n, topicBurst)
		}
		if n, want := count("mallory", "b", MaxMessage), topicBytesBurst/MaxMessage; n != want {
			t.Errorf("%d large messages at once, want %d", n, want)
		}
		if n := count("mallory", "shared", 1); n != sharedBurst {
			t.Errorf("%d messages at once for many sessions, want %d", n, sharedBurst)
		}
		time.Sleep(time.Second)
		if n := count("mallory", "a", 1); n != topicMessages {
			t.Errorf("%d messages a second later, want %d", n, topicMessages)
		}
		if table.judge("alice", "a", MaxMessage) != fine {
			t.Error("another peer has to wait")
		}
		table.forget("mallory")
		if len(table.joined["a"].paces) != 1 {
			t.Error("the pace of a peer that is gone is kept")
		}
	})
}

// A peer has a bound of its own over all topics, however many it may send on.
func TestAPeersPaceOnAllTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(1)
		r.mu.Lock()
		r.state("mallory")
		r.state("alice")
		r.mu.Unlock()
		n := 0
		for r.keepsPace("mallory", 1) {
			n++
		}
		if n != gossipBurst {
			t.Errorf("%d messages at once, want %d", n, gossipBurst)
		}
		if !r.keepsPace("alice", MaxMessage) {
			t.Error("another peer has to wait")
		}
	})
}
