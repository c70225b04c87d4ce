package p2p_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
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

func open(data []byte) (p2p.PeerID, bool) {
	size, n := binary.Uvarint(data)
	if n <= 0 || size > 128 || len(data) < n+int(size)+ed25519.SignatureSize {
		return "", false
	}
	id, rest := string(data[n:n+int(size)]), data[n+int(size):]
	return id, p2p.Verify(id, rest[ed25519.SignatureSize:], rest[:ed25519.SignatureSize])
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
// each is ready, and returns an error unless everybody heard everybody.
func committee(t testing.TB, name string, nodes []*p2ptest.Node) error {
	ctx := within(t, 20*time.Second)
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

func TestFreshTopicsLoseNothing(t *testing.T) {
	for _, c := range []struct {
		transport                 p2ptest.Transport
		nodes, committees, signer int
	}{
		{p2ptest.QUIC, 3, 20, 3}, {p2ptest.TCP, 3, 20, 3}, {p2ptest.QUIC, 10, 3, 10}, {p2ptest.TCP, 10, 3, 10},
	} {
		t.Run(fmt.Sprintf("%s/%dx%d", c.transport, c.committees, c.signer), func(t *testing.T) {
			net := p2ptest.New(t, p2ptest.Config{Transport: c.transport})
			nodes := net.Pool(c.nodes)
			net.Mesh(nodes...)
			for i := range c.committees {
				if err := committee(t, fmt.Sprintf("s/%d", i), nodes[:c.signer]); err != nil {
					t.Fatalf("committee %d: %v", i, err)
				}
			}
		})
	}
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

var _ = rand.Reader
