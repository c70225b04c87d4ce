package p2p_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// greeted is a modified client that all nodes have admitted.
func greeted(t *testing.T, net *p2ptest.Network, nodes ...*p2ptest.Node) *p2ptest.Raw {
	t.Helper()
	raw := net.AddRaw(p2p.RoleParty)
	for _, n := range nodes {
		if err := raw.Greet(within(t, 10*time.Second), n); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// signedBy is sealed for whoever signs.
func signedBy(signer interface {
	ID() p2p.PeerID
	Sign([]byte) []byte
}, body string,
) []byte {
	id := signer.ID()
	out := append(binary.AppendUvarint(nil, uint64(len(id))), id...)
	return append(append(out, signer.Sign([]byte(body))...), body...)
}

// A client without any filter of its own, admitted and no member, hears nothing of
// a session's topic and says nothing there, whenever it subscribes.
func TestAModifiedClientHearsNothing(t *testing.T) {
	for _, early := range []bool{true, false} {
		t.Run(fmt.Sprintf("early=%v", early), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
				nodes := net.Pool(3)
				net.Mesh(nodes...)
				raw := greeted(t, net, nodes...)
				ctx := within(t, time.Minute)
				if early {
					raw.Join(ctx, "s/1")
					time.Sleep(time.Second)
				}
				topics := make([]*p2p.Topic, len(nodes))
				for i, n := range nodes {
					topics[i] = join(t, n, "s/1", p2ptest.IDs(nodes...))
				}
				if !early {
					raw.Join(ctx, "s/1")
				}
				for _, topic := range topics {
					if err := topic.Ready(ctx); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(3 * time.Second)
				raw.Join(ctx, "s/1") // once more
				for i, topic := range topics {
					message := sealed(nodes[i], fmt.Sprintf("member-%d", i))
					if err := topic.Publish(ctx, message); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(5 * time.Second) // of gossip
				for _, n := range nodes {
					if err := raw.Publish(ctx, n.ID(), "s/1", signedBy(raw, "stranger")); err != nil {
						t.Fatal(err)
					}
				}
				for i, topic := range topics {
					if got := hears(topic); len(got) != 2 {
						t.Errorf("member %d heard %v, want the two others", i, got)
					}
				}
				if got := raw.Heard(); len(got) != 0 {
					t.Errorf("the stranger heard %q", got)
				}
				for i, n := range nodes {
					if got := n.Stats(); got.Subscriptions == 0 || got.Intrusions == 0 || early && got.Evicted == 0 {
						t.Errorf("member %d turned away nothing: %+v", i, got)
					}
				}
			})
		})
	}
}

// A member that floods a topic of its own does not crowd out what others say on
// another one, and what it says itself is heard again after a while.
func TestAMemberFloodsItsTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(2)
		net.Mesh(nodes...)
		party, other := nodes[0], nodes[1]
		raw := greeted(t, net, party)
		release := make(chan struct{})
		slowly := func(data []byte) (p2p.PeerID, any, bool) { <-release; return open(data) } // the queue fills behind it
		flooded, err := party.Join(p2p.TopicConfig{Name: "s/1", Members: append(p2ptest.IDs(party), raw.ID()), Validate: slowly})
		if err != nil {
			t.Fatal(err)
		}
		defer flooded.Close() //nolint:errcheck // the test is over
		hall, theirs := join(t, party, "s/2", p2ptest.IDs(nodes...)), join(t, other, "s/2", p2ptest.IDs(nodes...))
		raw.Join(t.Context(), "s/1")
		time.Sleep(time.Second)
		for i := range 3000 {
			if err := raw.Publish(t.Context(), party.ID(), "s/1", signedBy(raw, fmt.Sprintf("%08d", i))); err != nil {
				t.Fatal(err)
			}
		}
		say(t, theirs, other, "an offer")
		time.Sleep(100 * time.Millisecond)
		close(release)
		if !heardFrom(t, hall, other.ID()) { // later it would come by gossip
			t.Error("the other party's message was crowded out")
		}
		if heard := hears(flooded); len(heard) < 512 || len(heard) > 600 {
			t.Errorf("%d messages of the flood were taken, want 512 and a few", len(heard))
		}
		if got := party.Stats(); got.TooFast < 2000 {
			t.Errorf("%d messages came too fast", got.TooFast)
		}
		if _, met := party.Member(raw.ID()); !met {
			t.Error("a member is disconnected: it should answer to the operator")
		}
		if err := raw.Publish(t.Context(), party.ID(), "s/1", signedBy(raw, "calm now")); err != nil {
			t.Fatal(err)
		}
		if got := hears(flooded); len(got) != 1 || got[0] != "calm now" {
			t.Errorf("heard %q of the calm member", got)
		}
	})
}

// What a node is told to connect to, it does not.
func TestPeersAreNotExchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		party := net.Pool(1)[0]
		raw, victim := greeted(t, net, party), net.AddRaw(p2p.RoleParty)
		topic := join(t, party, "s/1", append(p2ptest.IDs(party), raw.ID()))
		defer topic.Close() //nolint:errcheck // the test is over
		if err := raw.Exchange(t.Context(), party.ID(), "s/1", victim); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if n := victim.Connections(); n != 0 {
			t.Errorf("%d connections to whom a peer has named", n)
		}
	})
}

// A packet of gossip that is too large costs its stream and nothing else.
func TestOversizePacketsCostTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		party := net.Pool(1)[0]
		raw := greeted(t, net, party)
		topic := join(t, party, "s/1", append(p2ptest.IDs(party), raw.ID()))
		ctx := within(t, time.Minute)
		raw.Publish(ctx, party.ID(), "s/1", signedBy(raw, string(make([]byte, 256<<10)))) //nolint:errcheck // it may be reset already
		time.Sleep(time.Second)
		for raw.Publish(ctx, party.ID(), "s/1", signedBy(raw, "not long")) != nil && ctx.Err() == nil {
		}
		if got := hears(topic); len(got) != 1 || got[0] != "not long" {
			t.Errorf("heard %q, want what was not too long", got)
		}
	})
}

// A frame that has begun must end within half a minute; meanwhile the peer has one
// stream of the channel, and others have theirs.
func TestAStalledFrameIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		party := net.Pool(1)[0]
		if err := party.Handle(p2p.Channel{Name: "direct", MaxFrame: 1 << 10, Receive: func(p2p.PeerID, []byte) { t.Error("half a frame was received") }}); err != nil {
			t.Fatal(err)
		}
		raw := greeted(t, net, party)
		start := time.Now()
		if err := raw.Stall(within(t, 2*time.Minute), party.ID(), "direct"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 30*time.Second || took > 32*time.Second {
			t.Errorf("given up after %v, want 30 s", took)
		}
	})
}

// Frames of a peer that sends without end wait, and none is lost.
func TestFloodsOfFramesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const frames, burst, rate = 20_000, 1 << 14, 1 << 14
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		party := net.Pool(1)[0]
		got := make(chan struct{}, frames)
		if err := party.Handle(p2p.Channel{Name: "direct", MaxFrame: 1 << 10, Receive: func(p2p.PeerID, []byte) { got <- struct{}{} }}); err != nil {
			t.Fatal(err)
		}
		raw := greeted(t, net, party)
		start := time.Now()
		go func() {
			for range frames {
				if err := raw.Send(t.Context(), party.ID(), "direct", []byte("x")); err != nil {
					t.Errorf("send: %v", err)
					return
				}
			}
		}()
		for range frames {
			<-got
		}
		least := time.Duration(frames-burst) * time.Second / rate
		if took := time.Since(start); took < least || took > 2*least {
			t.Errorf("%d frames took %v, want %v and a bit", frames, took, least)
		}
	})
}
