package p2p_test

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// sealed is a message signed as the tests' envelopes are: id, signature, body.
func sealed(n *p2ptest.Node, body string) []byte {
	id := n.ID()
	out := binary.AppendUvarint(nil, uint64(len(id)))
	out = append(append(out, id...), n.Sign([]byte(body))...)
	return append(out, body...)
}

// open is the validator that goes with sealed; it passes the body on.
func open(data []byte) (p2p.PeerID, any, bool) {
	size, n := binary.Uvarint(data)
	if n <= 0 || size > 128 || len(data) < n+int(size)+ed25519.SignatureSize {
		return "", nil, false
	}
	id, rest := string(data[n:n+int(size)]), data[n+int(size):]
	body := rest[ed25519.SignatureSize:]
	return id, string(body), p2p.Verify(id, body, rest[:ed25519.SignatureSize])
}

func join(t testing.TB, n *p2ptest.Node, name string, members []p2p.PeerID) *p2p.Topic {
	t.Helper()
	topic, err := n.Join(p2p.TopicConfig{Name: name, Members: members, Validate: open})
	if err != nil {
		t.Fatal(err)
	}
	return topic
}

// committee lets nodes exchange one message each on a fresh topic, as soon as
// each is ready, and returns an error unless everybody heard everybody. It tries
// again where nodes were left without the processor for so long that they gave
// up connections, and the messages with them.
func committee(t testing.TB, name string, nodes []*p2ptest.Node) (err error) {
	for try := range 5 {
		before := starved(nodes)
		if err = meet(t, fmt.Sprintf("%s.%d", name, try), nodes); err == nil || starved(nodes) == before {
			return err
		}
		t.Logf("connections were given up, once more: %v", err)
	}
	return err
}

// starved counts what a process suffers that is left without the processor. Under
// virtual time there is none of it.
func starved(nodes []*p2ptest.Node) (n uint64) {
	for _, node := range nodes {
		got := node.Stats()
		n += got.PingsMissed + got.HelloFailed
	}
	return n
}

// meet is one try of a committee.
func meet(t testing.TB, name string, nodes []*p2ptest.Node) error {
	ctx := within(t, 45*time.Second) // QUIC takes 30 s to notice that the word of an end was lost
	ids := p2ptest.IDs(nodes...)
	errs := make([]error, len(nodes))
	topics := make([]*p2p.Topic, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() {
			errs[i] = func() error {
				topic, err := n.Join(p2p.TopicConfig{Name: name, Members: ids, Validate: open})
				if err != nil {
					return err
				}
				topics[i] = topic
				if err := topic.Ready(ctx); err != nil {
					return err
				}
				if err := topic.Publish(ctx, sealed(n, fmt.Sprint(name, i))); err != nil {
					return err
				}
				heard := map[p2p.PeerID]bool{}
				for len(heard) < len(nodes)-1 {
					d, err := topic.Next(ctx)
					if err != nil {
						return fmt.Errorf("heard %d of %d: %w", len(heard), len(nodes)-1, err)
					}
					heard[d.From] = true
				}
				if heard[n.ID()] {
					return errors.New("heard itself")
				}
				return nil
			}()
		})
	}
	all.Wait()
	for _, topic := range topics {
		if topic != nil {
			errs = append(errs, topic.Close())
		}
	}
	return errors.Join(errs...)
}

// still adds parties that are connected and do not run: as nobody asks them whether they
// are alive, no connection is given up while the process is left without the processor.
func still(t testing.TB, net *p2ptest.Network, parties int) []*p2ptest.Node {
	t.Helper()
	nodes := make([]*p2ptest.Node, parties)
	for i := range nodes {
		nodes[i] = net.Add(p2p.RoleParty)
	}
	net.Mesh(nodes...)
	return nodes
}

func TestFreshTopicsLoseNothing(t *testing.T) {
	for _, c := range []struct {
		transport                 p2ptest.Transport
		nodes, committees, signer int
	}{
		{p2ptest.QUIC, 3, 20, 3}, {p2ptest.TCP, 3, 20, 3}, {p2ptest.QUIC, 10, 3, 10}, {p2ptest.TCP, 10, 3, 10},
	} {
		t.Run(fmt.Sprintf("%s/%dx%d", c.transport, c.committees, c.signer), func(t *testing.T) {
			nodes := still(t, p2ptest.New(t, p2ptest.Config{Transport: c.transport}), c.nodes)
			for i := range c.committees {
				links := linked(nodes)
				err := committee(t, fmt.Sprintf("s/%d", i), nodes[:c.signer])
				if err != nil && linked(nodes) != links {
					t.Logf("connections had ended, once more: %v", err)
					err = committee(t, fmt.Sprintf("s/%d-again", i), nodes[:c.signer])
				}
				if err != nil {
					t.Fatalf("committee %d: %v", i, err)
				}
			}
		})
	}
}

// linked counts the connections that were ever admitted: while nobody comes or goes it
// stays as it is.
func linked(nodes []*p2ptest.Node) (n uint64) {
	for _, node := range nodes {
		n += node.Stats().Admitted
	}
	return n
}

func TestFreshTopicsLoseNothingUnderVirtualTime(t *testing.T) {
	for _, c := range []struct{ nodes, committees int }{{3, 100}, {10, 20}} {
		t.Run(fmt.Sprintf("%dx%d", c.committees, c.nodes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
				nodes := net.Pool(c.nodes)
				net.Mesh(nodes...)
				for i := range c.committees {
					if err := committee(t, fmt.Sprintf("s/%d", i), nodes); err != nil {
						t.Fatalf("committee %d: %v", i, err)
					}
				}
			})
		})
	}
}

// hears returns the bodies that arrive on a topic until quiet for a moment.
func hears(topic *p2p.Topic) (bodies []string) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		d, err := topic.Next(ctx)
		cancel()
		if err != nil {
			return bodies
		}
		body := d.Data[len(d.Data)-8:]
		bodies = append(bodies, string(body))
	}
}

// An admitted peer that is no member of a session gets nothing from its topic
// and gives nothing to it, whether it subscribes before or after the members.
func TestTopicIsForMembers(t *testing.T) {
	for _, early := range []bool{true, false} {
		t.Run(fmt.Sprintf("early=%v", early), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
				nodes := net.Pool(4)
				net.Mesh(nodes...)
				members, stranger := p2ptest.IDs(nodes[:3]...), nodes[3]
				everyone := p2ptest.IDs(nodes...)
				var theirs *p2p.Topic
				if early {
					theirs = join(t, stranger, "s/1", everyone)
					time.Sleep(time.Second)
				}
				topics := make([]*p2p.Topic, 3)
				for i := range topics {
					topics[i] = join(t, nodes[i], "s/1", members)
				}
				if !early {
					theirs = join(t, stranger, "s/1", everyone)
					time.Sleep(time.Second)
				}
				ctx := within(t, 20*time.Second)
				for i, topic := range topics {
					if err := topic.Ready(ctx); err != nil {
						t.Fatalf("member %d: %v", i, err)
					}
				}
				time.Sleep(3 * time.Second) // the stranger has connected anew and tried again
				for i, topic := range topics {
					if err := topic.Publish(ctx, sealed(nodes[i], fmt.Sprintf("member-%d", i))); err != nil {
						t.Fatal(err)
					}
				}
				if err := theirs.Publish(ctx, sealed(stranger, "stranger")); err != nil {
					t.Fatal(err)
				}
				for i, topic := range topics {
					if got := hears(topic); len(got) != 2 || slices.Contains(got, "stranger") {
						t.Errorf("member %d heard %v, want the two others", i, got)
					}
				}
				if got := hears(theirs); len(got) != 0 {
					t.Errorf("the stranger heard %v", got)
				}
			})
		})
	}
}

// On a topic without a list, the pool's, every admitted peer is heard.
func TestPoolTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(3)
		net.Mesh(nodes...)
		listener := join(t, nodes[0], "pool", nil)
		ctx := within(t, 10*time.Second)
		var quiet []*p2p.Topic
		for _, n := range nodes[1:] {
			topic, err := n.Join(p2p.TopicConfig{Name: "pool", Validate: open, PublishOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			quiet = append(quiet, topic)
		}
		time.Sleep(time.Second)
		for i, topic := range quiet {
			if err := topic.Publish(ctx, sealed(nodes[i+1], fmt.Sprintf("beat---%d", i+1))); err != nil {
				t.Fatal(err)
			}
		}
		if got := hears(listener); len(got) != 2 {
			t.Errorf("heard %v, want two heartbeats", got)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if d, err := quiet[0].Next(short); err == nil {
			t.Errorf("a node that only publishes heard %q", d.Data)
		}
		if got := nodes[1].Stats().Undeliverable; got != 0 {
			t.Errorf("%d messages were undeliverable", got)
		}
	})
}

// The sender is who signed, not who published: a copy through another member
// counts as the signer's, and a forgery as nobody's.
func TestSenderIsTheSigner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(3)
		net.Mesh(nodes...)
		ids := p2ptest.IDs(nodes...)
		topics := make([]*p2p.Topic, 3)
		for i := range topics {
			topics[i] = join(t, nodes[i], "s/1", ids)
		}
		ctx := within(t, 10*time.Second)
		if err := topics[1].Ready(ctx); err != nil {
			t.Fatal(err)
		}
		message := sealed(nodes[2], "relayed!")
		if err := topics[1].Publish(ctx, message); err != nil {
			t.Fatal(err)
		}
		forged := slices.Clone(message)
		forged[len(forged)-1] ^= 1
		if err := topics[1].Publish(ctx, forged); err != nil {
			t.Fatal(err)
		}
		d, err := topics[0].Next(ctx)
		if err != nil || d.From != ids[2] || d.Opened != "relayed!" {
			t.Fatalf("got %v of %s (%v), want what %s said", d.Opened, d.From, err, ids[2])
		}
		if got := hears(topics[0]); len(got) != 0 {
			t.Errorf("heard %v as well", got)
		}
		if nodes[0].Stats().Rejected == 0 {
			t.Error("the forgery was not counted")
		}
	})
}

// The same bytes on a topic where they are invalid do not hide them where they
// are valid.
func TestMessageIsSeenPerTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(3)
		net.Mesh(nodes...)
		ids := p2ptest.IDs(nodes...)
		never := func([]byte) (p2p.PeerID, any, bool) { panic("a validator that fails") }
		var real [3]*p2p.Topic
		var other [3]*p2p.Topic
		for i, n := range nodes {
			real[i] = join(t, n, "s/1", ids)
			var err error
			if other[i], err = n.Join(p2p.TopicConfig{Name: "other", Validate: never}); err != nil {
				t.Fatal(err)
			}
		}
		ctx := within(t, 10*time.Second)
		for _, topic := range real {
			if err := topic.Ready(ctx); err != nil {
				t.Fatal(err)
			}
		}
		message := sealed(nodes[0], "the same")
		if err := other[1].Publish(ctx, message); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := real[0].Publish(ctx, message); err != nil {
			t.Fatal(err)
		}
		if got := hears(real[2]); len(got) != 1 {
			t.Errorf("heard %v, want the message", got)
		}
		if nodes[2].Stats().Panics == 0 {
			t.Error("the validator's panic was not counted")
		}
	})
}

// Who has not joined, or has left, is missing, however well it is connected.
func TestATopicNamesWhoIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		nodes := net.Pool(4)
		net.Mesh(nodes...)
		ids, ctx := p2ptest.IDs(nodes...), within(t, time.Minute)
		first := join(t, nodes[0], "s/1", ids)
		missing := func(when string, who ...p2p.PeerID) {
			t.Helper()
			want := slices.Sorted(slices.Values(who))
			p2ptest.Eventually(t, 10*time.Second, when, func() bool { return slices.Equal(first.Missing(), want) })
		}
		missing("alone", ids[1:]...)
		join(t, nodes[1], "s/1", ids)
		missing("one has come", ids[2:]...)
		third, fourth := join(t, nodes[2], "s/1", ids), join(t, nodes[3], "s/1", ids)
		if err := first.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		missing("all have come")
		if err := errors.Join(third.Close(), fourth.Close()); err != nil {
			t.Fatal(err)
		}
		missing("two have left", ids[2:]...)
		if everyone := join(t, nodes[0], "pool", nil).Missing(); len(everyone) != 0 {
			t.Errorf("a topic without a list misses %v", everyone)
		}
	})
}

func TestTopicLimits(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.TCP})
	a, b := net.Add(p2p.RoleParty), net.Add(p2p.RoleParty)
	net.Mesh(a, b)
	ids := p2ptest.IDs(a, b)
	ctx := within(t, time.Minute)
	ta, tb := join(t, a, "s/1", ids), join(t, b, "s/1", ids)
	if err := ta.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if err := ta.Publish(ctx, make([]byte, p2p.MaxMessage+1)); !errors.Is(err, p2p.ErrTooLarge) {
		t.Errorf("a byte too many: %v, want ErrTooLarge", err)
	}
	largest := sealed(a, "")
	largest = sealed(a, string(make([]byte, p2p.MaxMessage-len(largest))))
	if len(largest) != p2p.MaxMessage {
		t.Fatalf("made %d bytes", len(largest))
	}
	if err := ta.Publish(ctx, largest); err != nil {
		t.Fatal(err)
	}
	if d, err := tb.Next(ctx); err != nil || len(d.Data) != p2p.MaxMessage {
		t.Errorf("the largest message: %d bytes, %v", len(d.Data), err)
	}
	if _, err := a.Join(p2p.TopicConfig{Name: "s/1", Members: ids, Validate: open}); !errors.Is(err, p2p.ErrTopicUsed) {
		t.Errorf("joined twice: %v, want ErrTopicUsed", err)
	}
	if err := ta.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Join(p2p.TopicConfig{Name: "s/1", Members: ids, Validate: open}); !errors.Is(err, p2p.ErrTopicUsed) {
		t.Errorf("joined again: %v, want ErrTopicUsed", err)
	}
	if err := ta.Publish(ctx, []byte("late")); !errors.Is(err, p2p.ErrClosed) {
		t.Errorf("published after leaving: %v, want ErrClosed", err)
	}
	if _, err := ta.Next(ctx); !errors.Is(err, p2p.ErrClosed) {
		t.Errorf("read after leaving: %v, want ErrClosed", err)
	}
	for _, name := range []string{"", "../x y", "/s"} {
		if _, err := a.Join(p2p.TopicConfig{Name: name, Validate: open}); !errors.Is(err, p2p.ErrConfig) {
			t.Errorf("topic %q: %v, want ErrConfig", name, err)
		}
	}
	soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	lonely := join(t, a, "s/2", ids)
	abandoned := join(t, a, "s/3", ids)
	ended := make(chan error, 1)
	go func() { ended <- abandoned.Ready(ctx) }()
	if err := errors.Join(abandoned.Close(), abandoned.Close()); err != nil {
		t.Errorf("left while somebody waits: %v", err)
	}
	if err := <-ended; !errors.Is(err, p2p.ErrClosed) {
		t.Errorf("waited on a topic that was left: %v, want ErrClosed", err)
	}
	if err := lonely.Ready(soon); !errors.Is(err, p2p.ErrNotReady) || !strings.Contains(err.Error(), b.ID()) {
		t.Errorf("ready without the other: %v, want ErrNotReady that names it", err)
	}
}
