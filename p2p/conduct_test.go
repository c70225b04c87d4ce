package p2p_test

import (
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
