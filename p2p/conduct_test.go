package p2p_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// counted is open, counting its calls.
func counted(calls *atomic.Int64) func([]byte) (p2p.PeerID, any, bool) {
	return func(data []byte) (p2p.PeerID, any, bool) {
		calls.Add(1)
		return open(data)
	}
}

// What a guest says on a topic that it is no member of reaches no validator, even
// if it is the word of a member, and does not hide that word when the member
// says it. A guest that goes on is disconnected, and back a moment later.
func TestGuestsDoNotReachValidators(t *testing.T) {
	for _, name := range []string{"pool", "s/theirs"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net, party, _, guest := hosting(t, p2ptest.Simulated)
				other := net.Add(p2p.RoleParty)
				net.Mesh(party, other)
				var members []p2p.PeerID
				if name != "pool" {
					members = p2ptest.IDs(party, other)
				}
				var calls atomic.Int64
				hall, err := party.Join(p2p.TopicConfig{Name: name, Members: members, Validate: counted(&calls)})
				if err != nil {
					t.Fatal(err)
				}
				theirs := join(t, other, name, members)
				mine := join(t, guest, name, p2ptest.IDs(party, other, guest))
				time.Sleep(time.Second)

				stolen := sealed(other, "a member's")
				ctx := within(t, time.Minute)
				if err := mine.Publish(ctx, stolen); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				if got := party.Stats(); got.Intrusions != 1 || calls.Load() != 0 {
					t.Errorf("%d intrusions were counted and %d messages validated, want 1 and 0", got.Intrusions, calls.Load())
				}
				if err := theirs.Publish(ctx, stolen); err != nil {
					t.Fatal(err)
				}
				if got := hears(hall); len(got) != 1 {
					t.Errorf("heard %q, want the member's message", got)
				}

				for i := range 200 {
					say(t, mine, guest, fmt.Sprint("junk ", i))
				}
				time.Sleep(time.Second)
				got := party.Stats()
				if got.GuestsEnded != 1 || got.Intrusions < 64 || calls.Load() != 1 {
					t.Errorf("%d guests ended, %d intrusions and %d validated, want 1, some, and 1", got.GuestsEnded, got.Intrusions, calls.Load())
				}
				if _, met := party.Member(guest.ID()); met {
					t.Error("the guest is still connected")
				}
				time.Sleep(5 * time.Second)
				if err := guest.Reach(ctx, party); err != nil {
					t.Errorf("the guest does not come back: %v", err)
				}
			})
		})
	}
}

// A guest that is named, too, is disconnected when it keeps sending what does not
// verify; one that sends as much of its own, and others', is not.
func TestGuestSendsJunkOnItsTopic(t *testing.T) {
	for _, honest := range []bool{true, false} {
		t.Run(fmt.Sprintf("honest=%v", honest), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, party, coordinator, guest := hosting(t, p2ptest.Simulated)
				members := p2ptest.IDs(party, coordinator, guest)
				hall, mine := join(t, party, "s/1", members), join(t, guest, "s/1", members)
				time.Sleep(time.Second)
				const many = 200
				for i := range many {
					from := []*p2ptest.Node{guest, coordinator}[i%2]
					message := sealed(from, fmt.Sprintf("%08d", i))
					if !honest {
						message = slices.Concat(message, []byte("not what was signed"))
					}
					if err := mine.Publish(within(t, time.Second), message); err != nil {
						t.Fatal(err)
					}
				}
				heard := hears(hall)
				_, met := party.Member(guest.ID())
				if honest && (!met || len(heard) != many || party.Stats().GuestsEnded != 0) {
					t.Errorf("heard %d messages, connected %v, %d guests ended", len(heard), met, party.Stats().GuestsEnded)
				}
				if !honest && (met || len(heard) != 0 || party.Stats().GuestsEnded != 1) {
					t.Errorf("heard %d messages, connected %v, %d guests ended", len(heard), met, party.Stats().GuestsEnded)
				}
			})
		})
	}
}

// A guest that floods a topic of its own does not crowd out what others say on
// another one.
func TestGuestFloodsItsTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net, party, coordinator, guest := hosting(t, p2ptest.Simulated)
		net.Mesh(party, coordinator)
		release := make(chan struct{})
		slowly := func(data []byte) (p2p.PeerID, any, bool) { <-release; return open(data) } // the queue fills behind it
		flooded, err := party.Join(p2p.TopicConfig{Name: "s/1", Members: p2ptest.IDs(party, guest), Validate: slowly})
		if err != nil {
			t.Fatal(err)
		}
		defer flooded.Close() //nolint:errcheck // the test is over
		hall := join(t, party, "s/2", p2ptest.IDs(party, coordinator))
		theirs := join(t, coordinator, "s/2", p2ptest.IDs(party, coordinator))
		mine := join(t, guest, "s/1", p2ptest.IDs(party, guest))
		time.Sleep(time.Second)
		for i := range 1500 {
			say(t, mine, guest, fmt.Sprintf("%08d", i))
			if i%500 == 499 {
				time.Sleep(100 * time.Millisecond) // for its own queue
			}
		}
		say(t, theirs, coordinator, "an offer")
		time.Sleep(100 * time.Millisecond)
		close(release)
		if !heardFrom(t, hall, coordinator.ID()) { // later it would come by gossip
			t.Error("the coordinator's message was crowded out")
		}
		if got := party.Stats(); got.TooFast < 500 || got.GuestsEnded != 0 {
			t.Errorf("%d messages came too fast, %d guests ended", got.TooFast, got.GuestsEnded)
		}
	})
}

// Of a member that floods topics with what does not verify little is looked at, whichever
// topics they are, so that the others on the host are heard; when it has stopped it is heard
// again.
func TestAMemberFloodsTopicsWithInvalidMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(3)
		net.Mesh(nodes...)
		party, mallory, alice := nodes[0], nodes[1], nodes[2]
		var calls atomic.Int64
		heard := make(chan p2p.Delivery, 64)
		shared := func(n *p2ptest.Node, name string, with *p2ptest.Node) *p2p.Topic {
			topic, err := n.Join(p2p.TopicConfig{
				Name: name, Members: p2ptest.IDs(n, with), Shared: true, Validate: counted(&calls),
				Receive: func(d p2p.Delivery) { heard <- d },
			})
			if err != nil {
				t.Fatal(err)
			}
			return topic
		}
		var floods [2]*p2p.Topic
		for i, name := range []string{"k/1", "k/2"} {
			shared(party, name, mallory)
			floods[i] = shared(mallory, name, party)
		}
		shared(party, "k/3", alice)
		theirs := shared(alice, "k/3", party)
		ctx := within(t, time.Minute)
		for _, topic := range append(floods[:], theirs) {
			if err := topic.Ready(ctx); err != nil {
				t.Fatal(err)
			}
		}
		const batches, each = 20, 100
		for i := range batches * each { // in two seconds
			junk := slices.Concat(sealed(alice, fmt.Sprint(i)), []byte("not what was signed"))
			if err := floods[i%2].Publish(ctx, junk); err != nil {
				t.Fatal(err)
			}
			if i%each == 0 {
				time.Sleep(2 * time.Second / batches)
			}
		}
		time.Sleep(100 * time.Millisecond)
		got := party.Stats()
		if n := calls.Load(); n > 200 || n+int64(got.TooFast) != batches*each {
			t.Errorf("%d of %d invalid messages were looked at and %d dropped, want at most 200, and the others", n, batches*each, got.TooFast)
		}
		say(t, theirs, alice, "an offer")
		if d := <-heard; d.From != alice.ID() {
			t.Errorf("heard %s, want %s", d.From, alice.ID())
		}
		time.Sleep(time.Second)
		say(t, floods[0], mallory, "forgive me")
		if d := <-heard; d.From != mallory.ID() {
			t.Errorf("heard %s, want %s", d.From, mallory.ID())
		}
	})
}

// Who listens is told who has signed a message, and through whom it has come.
func TestWhoPassesOnIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(3)
		net.Mesh(nodes...)
		party, alice, mallory := nodes[0], nodes[1], nodes[2]
		heard, vias := make(chan p2p.Delivery, 4), make(chan p2p.PeerID, 4)
		ctx, ids := within(t, time.Minute), p2ptest.IDs(nodes...)
		for _, way := range []string{"Receive", "Next"} {
			cfg := p2p.TopicConfig{Name: "s/" + way, Members: ids, ValidateVia: func(via p2p.PeerID, data []byte) (p2p.PeerID, any, bool) {
				vias <- via
				return open(data)
			}}
			if way == "Receive" {
				cfg.Receive = func(d p2p.Delivery) { heard <- d }
			}
			hall, err := party.Join(cfg)
			if err != nil {
				t.Fatal(err)
			}
			hers, his := join(t, alice, cfg.Name, ids), join(t, mallory, cfg.Name, ids)
			if err := errors.Join(hers.Ready(ctx), his.Ready(ctx)); err != nil {
				t.Fatal(err)
			}
			for via, mine := range map[*p2ptest.Node]*p2p.Topic{alice: hers, mallory: his} {
				if err := mine.Publish(ctx, sealed(alice, "through "+via.ID())); err != nil {
					t.Fatal(err)
				}
				var d p2p.Delivery
				if cfg.Receive != nil {
					d = <-heard
				} else if d, err = hall.Next(ctx); err != nil {
					t.Fatal(err)
				}
				if asked := <-vias; d.From != alice.ID() || d.Via != via.ID() || asked != via.ID() {
					t.Errorf("%s: heard %s through %s, and %s when it was validated; want %s through %s", way, d.From, d.Via, asked, alice.ID(), via.ID())
				}
			}
		}
	})
}

// What a validator does not care to verify is dropped, and held against nobody.
func TestUnwantedMessagesAreNoOffence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, party, _, guest := hosting(t, p2ptest.Simulated)
		members := p2ptest.IDs(party, guest)
		heard := make(chan p2p.Delivery, 64)
		_, err := party.Join(p2p.TopicConfig{
			Name: "k/1", Members: members, Shared: true, Receive: func(d p2p.Delivery) { heard <- d },
			Validate: func(data []byte) (p2p.PeerID, any, bool) {
				if slices.Equal(data[:1], []byte{0}) {
					return "", p2p.Unwanted, true
				}
				return open(data)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		mine := join(t, guest, "k/1", members)
		ctx := within(t, time.Minute)
		if err := mine.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		const many = 300
		before := party.Stats().Delivered
		for i := range many {
			if err := mine.Publish(ctx, []byte{0, byte(i), byte(i >> 8)}); err != nil {
				t.Fatal(err)
			}
		}
		say(t, mine, guest, "of interest")
		if d := <-heard; d.From != guest.ID() || d.Opened != "of interest" {
			t.Errorf("heard %v of %s", d.Opened, d.From)
		}
		got := party.Stats()
		if got.Unwanted != many || got.Delivered-before > 1 || got.Rejected+got.TooFast+got.GuestsEnded != 0 {
			t.Errorf("%d were unwanted and %d delivered, want %d and 1: %+v", got.Unwanted, got.Delivered-before, many, got)
		}
	})
}
