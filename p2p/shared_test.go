package p2p_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// seat is a member's place on a shared topic.
type seat struct {
	n     *p2ptest.Node
	topic *p2p.Topic
	heard chan p2p.Delivery
}

// sit takes a place on a shared topic.
func sit(t testing.TB, n *p2ptest.Node, name string, members []p2p.PeerID) *seat {
	t.Helper()
	s := &seat{n: n, heard: make(chan p2p.Delivery, 64)}
	var err error
	s.topic, err = n.Join(p2p.TopicConfig{
		Name: name, Members: members, Validate: open, Shared: true, Receive: func(d p2p.Delivery) { s.heard <- d },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// exchange waits until every seat is ready, lets each say something, and returns an
// error unless everybody hears everybody.
func exchange(ctx context.Context, round int, seats []*seat) error {
	errs := make([]error, len(seats))
	together := func(do func(i int, s *seat) error) error {
		var all sync.WaitGroup
		for i, s := range seats {
			all.Go(func() { errs[i] = do(i, s) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
	if err := together(func(_ int, s *seat) error { return s.topic.Ready(ctx) }); err != nil {
		return err
	}
	return together(func(i int, s *seat) error {
		if err := s.topic.Publish(ctx, sealed(s.n, fmt.Sprintf("round %d of %d", round, i))); err != nil {
			return err
		}
		for heard := map[p2p.PeerID]bool{}; len(heard) < len(seats)-1; {
			select {
			case d := <-s.heard:
				heard[d.From] = true
			case <-ctx.Done():
				return fmt.Errorf("%d heard %d of %d", i, len(heard), len(seats)-1)
			}
		}
		return nil
	})
}

// again lets one member leave a shared topic and come again at once, until the others
// have noticed.
func again(t testing.TB, seats []*seat, i int) {
	t.Helper()
	ctx, ids := within(t, time.Minute), make([]p2p.PeerID, len(seats))
	for j, s := range seats {
		ids[j] = s.n.ID()
		if err := s.topic.Ready(ctx); err != nil { // the news of earlier ones is no news any more
			t.Fatal(err)
		}
	}
	turn := time.Now()
	if err := seats[i].topic.Close(); err != nil {
		t.Fatal(err)
	}
	seats[i] = sit(t, seats[i].n, "k/1", ids)
	for j, s := range seats {
		p2ptest.Eventually(t, 30*time.Second, "that a member has left and come is noticed", func() bool {
			return i == j || s.topic.Ready(ctx) == nil && s.topic.Moved().After(turn)
		})
	}
}

// Whoever leaves a shared topic and comes again at once loses nothing that is said
// once all are ready and know of it: without a mesh pubsub's back-offs hold up no message.
func TestComingAgainLosesNothing(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		for _, who := range []string{"one", "all", "some"} {
			t.Run(fmt.Sprintf("%s/%s", transport, who), func(t *testing.T) {
				const members, rounds = 4, 150
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				chance := rand.New(rand.NewPCG(seed, 0))
				nodes := still(t, p2ptest.New(t, p2ptest.Config{Transport: transport}), members)
				ids := p2ptest.IDs(nodes...)
				seats := make([]*seat, members)
				for i, n := range nodes {
					seats[i] = sit(t, n, "k/1", ids)
				}
				for round := range rounds {
					ctx, done := context.WithTimeout(t.Context(), time.Minute)
					err := exchange(ctx, round, seats)
					done()
					if err != nil {
						t.Fatalf("round %d: %v", round, err)
					}
					for i := range seats {
						if who == "one" && i != round%members || who == "some" && chance.IntN(2) == 0 {
							continue
						}
						again(t, seats, i)
					}
				}
				for i, n := range nodes {
					if got := n.Stats(); got.DroppedRPCs+got.TooFast+got.Rejected != 0 {
						t.Errorf("member %d has dropped something: %+v", i, got)
					}
				}
			})
		}
	}
}

// On a topic where everybody is, Ready asks nobody; when a member has gone it waits
// until the member has come again, and Moved tells of it.
func TestReadyNoticesWhoComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(3)
		net.Mesh(nodes...)
		ids := p2ptest.IDs(nodes...)
		seats := make([]*seat, len(nodes))
		for i, n := range nodes {
			seats[i] = sit(t, n, "k/1", ids)
		}
		ctx := within(t, time.Minute)
		if err := exchange(ctx, 0, seats); err != nil {
			t.Fatal(err)
		}
		first := seats[0].topic
		time.Sleep(time.Second)
		start := time.Now()
		if err := first.Ready(ctx); err != nil || time.Since(start) != 0 || time.Since(first.Moved()) < time.Second {
			t.Errorf("ready after %v (%v), moved %v ago: want nothing to have happened", time.Since(start), err, time.Since(first.Moved()))
		}
		for name, leave := range map[string]func(){
			"left":        func() { seats[2].topic.Close() }, //nolint:errcheck // it is asked about below
			"was stopped": func() { nodes[2].Restart(true) },
		} {
			leave()
			time.Sleep(100 * time.Millisecond)
			short, cancel := context.WithTimeout(ctx, 3*time.Second)
			var waits sync.WaitGroup
			for range 64 { // sessions
				waits.Go(func() {
					if err := first.Ready(short); !errors.Is(err, p2p.ErrNotReady) {
						t.Errorf("a member %s: %v, want ErrNotReady", name, err)
					}
				})
			}
			waits.Wait()
			cancel()
			seats[2] = sit(t, nodes[2], "k/1", ids)
			if err := exchange(ctx, len(name), seats); err != nil { // other words: the same are not said twice
				t.Fatalf("a member %s and is back: %v", name, err)
			}
			if time.Since(first.Moved()) > time.Second {
				t.Error("that a member has come is not noticed")
			}
		}
	})
}

// A topic may be left while sessions wait for its members, and is then free again.
func TestASharedTopicIsLeftWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(2)
		net.Mesh(nodes...)
		ids := p2ptest.IDs(nodes...)
		lonely := sit(t, nodes[0], "k/1", ids)
		ended := make(chan error, 1)
		go func() { ended <- lonely.topic.Ready(context.Background()) }()
		synctest.Wait()
		if _, err := nodes[0].Join(p2p.TopicConfig{Name: "k/1", Members: ids, Validate: open, Shared: true}); !errors.Is(err, p2p.ErrTopicUsed) {
			t.Errorf("joined twice at once: %v, want ErrTopicUsed", err)
		}
		if err := lonely.topic.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, p2p.ErrClosed) {
			t.Errorf("waited on a topic that was left: %v, want ErrClosed", err)
		}
		if err := lonely.topic.Ready(context.Background()); !errors.Is(err, p2p.ErrClosed) {
			t.Errorf("ready on a topic that was left: %v, want ErrClosed", err)
		}
		sit(t, nodes[0], "k/1", ids).topic.Close() //nolint:errcheck // it may be joined, that is all
	})
}

// Whoever waits for a topic's members, or asks for them later, hears that the host has closed:
// the host leaves its topics to their owners.
func TestReadyEndsWithTheHost(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.TCP})
	nodes := net.Pool(2)
	lonely := sit(t, nodes[0], "k/1", p2ptest.IDs(nodes...))
	ctx := within(t, time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- lonely.topic.Ready(ctx) }()
	nodes[0].Stop()
	if err := <-ended; !errors.Is(err, p2p.ErrClosed) {
		t.Errorf("waited on a host that has closed: %v, want ErrClosed", err)
	}
	if err := lonely.topic.Ready(ctx); !errors.Is(err, p2p.ErrClosed) {
		t.Errorf("ready on a host that has closed: %v, want ErrClosed", err)
	}
	if err := lonely.topic.Close(); err != nil {
		t.Error(err)
	}
}
