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
