package p2p

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// HelloOf says hello with any credential over a bare libp2p host and returns the
// refusal code of the answer, "" when it was accepted.
func HelloOf(t testing.TB, h host.Host, to PeerID, credential string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	id, err := peer.Decode(to)
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.NewStream(network.WithNoDial(ctx, "test"), id, helloProtocol)
	if err != nil {
		t.Fatal(err)
	}
	x := &helloStream{rw: s, r: bufio.NewReader(s), s: s}
	if err := x.send(hello{Credential: credential, Boot: 1}); err != nil {
		t.Fatal(err)
	}
	answer, err := x.receive()
	if err != nil {
		t.Fatal(err)
	}
	if answer.Refusal == "" {
		if err := x.send(hello{}); err != nil {
			t.Fatal(err)
		}
	}
	return answer.Refusal
}

// CloseOneConn closes the connection that carries pubsub's stream to the peer
// and returns how many there were.
func CloseOneConn(t testing.TB, h *Host, to PeerID) int {
	t.Helper()
	id, err := peer.Decode(to)
	if err != nil {
		t.Fatal(err)
	}
	conns := h.raw.Network().ConnsToPeer(id)
	for _, c := range conns {
		for _, s := range c.GetStreams() {
			if s.Stat().Direction == network.DirOutbound && strings.HasPrefix(string(s.Protocol()), "/meshsub/") {
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				return len(conns)
			}
		}
	}
	t.Fatal("no connection carries pubsub's stream")
	return 0
}

// OpenStreams opens streams of several protocols, each of which has a limit of
// its own, and returns how many of them the peer serves before it resets one.
// They end with the test.
func OpenStreams(t testing.TB, from, to *Host, many int) (open int) {
	t.Helper()
	proto := func(i int) protocol.ID { return protocol.ID(fmt.Sprint("/test/", i%16)) }
	for i := range 16 {
		to.raw.SetStreamHandler(proto(i), func(s network.Stream) { io.Copy(s, s) }) //nolint:errcheck // it ends with the test
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	for i := range many {
		s, err := from.raw.NewStream(network.WithNoDial(ctx, "test"), to.conf.id, proto(i))
		if err != nil {
			return open
		}
		t.Cleanup(func() { s.Reset() }) //nolint:errcheck // the test is over
		word := []byte{1}
		if _, err := s.Write(word); err != nil {
			return open
		}
		s.SetReadDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // TCP has deadlines
		if _, err := s.Read(word); err != nil {
			return open
		}
		open++
	}
	return open
}

// InRoutingTable tells whether a host's DHT counts on a peer.
func InRoutingTable(t testing.TB, h *Host, id PeerID) bool {
	t.Helper()
	p, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	return h.dht.RoutingTable().Find(p) != ""
}

// Relayed tells whether the connections to a peer go through a relay; none
// counts as not.
func Relayed(t testing.TB, h *Host, id PeerID) bool {
	t.Helper()
	p, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	conns := h.raw.Network().ConnsToPeer(p)
	return len(conns) > 0 && !slices.ContainsFunc(conns, func(c network.Conn) bool { return !isCircuit(c.RemoteMultiaddr()) })
}

// OpenOut counts the streams that a host keeps for sending.
func OpenOut(h *Host) int {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	return len(h.out.streams)
}

// SetGuestBudget changes what each guest may send through a relay: bytes at once,
// and bytes a second. It is called before there are circuits.
func SetGuestBudget(relay *Host, burst, rate int) {
	relay.ledger.burst, relay.ledger.rate = burst, rate
}

// GuestStreams counts the streams that a relay has for a guest.
func GuestStreams(t testing.TB, relay *Host, id PeerID) int {
	t.Helper()
	p, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	return relay.ledger.busy(p)
}

// Accounts counts the guests that a relay keeps a budget for, once those that are
// due have been dropped.
func Accounts(relay *Host) int {
	relay.ledger.mu.Lock()
	defer relay.ledger.mu.Unlock()
	relay.ledger.tidy()
	return len(relay.ledger.accounts)
}

// AwaitNoStream waits as a hello does of a peer's start boot, for so long at the most.
func AwaitNoStream(t testing.TB, h *Host, id PeerID, boot uint64, most time.Duration) {
	t.Helper()
	p, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	h.bridge.awaitNoStream(ctx, p, boot)
}

// Unsay makes a host forget the hello on the connection over which the peer tells what it
// subscribes to, as if that had passed at the other end only, and closes the one of pubsub's
// own stream. It is false if both are the same.
func Unsay(t testing.TB, h *Host, id PeerID) bool {
	t.Helper()
	p, err := peer.Decode(id)
	if err != nil {
		t.Fatal(err)
	}
	bearer := h.bridge.host.bearer(p)
	for _, s := range bearer.GetStreams() {
		if s.Stat().Direction == network.DirOutbound && strings.HasPrefix(string(s.Protocol()), "/meshsub/") {
			return false
		}
	}
	h.peers.mu.Lock()
	h.peers.peers[p].conns[bearer].boot = 0
	h.peers.mu.Unlock()
	CloseOneConn(t, h, id)
	return true
}
