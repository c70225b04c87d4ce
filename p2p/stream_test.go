package p2p_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// pair is two connected parties; the second handles the channel "direct".
func pair(t testing.TB, transport p2ptest.Transport, receive func(p2p.PeerID, []byte)) (a, b *p2ptest.Node) {
	t.Helper()
	net := p2ptest.New(t, p2ptest.Config{Transport: transport})
	a, b = net.Add(p2p.RoleParty), net.Add(p2p.RoleParty)
	if err := b.Handle(p2p.Channel{Name: "direct", MaxFrame: 1 << 20, Receive: receive}); err != nil {
		t.Fatal(err)
	}
	net.Mesh(a, b)
	return a, b
}

func TestFramesKeepTheirOrder(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			const frames = 2000
			got := make(chan uint32, frames)
			a, b := pair(t, transport, func(_ p2p.PeerID, f []byte) { got <- binary.BigEndian.Uint32(f) })
			ctx := within(t, time.Minute)
			for i := range uint32(frames) {
				if err := a.Send(ctx, b.ID(), "direct", binary.BigEndian.AppendUint32(nil, i)); err != nil {
					t.Fatal(err)
				}
			}
			for i := range uint32(frames) {
				select {
				case n := <-got:
					if n != i {
						t.Fatalf("frame %d came as number %d", n, i)
					}
				case <-ctx.Done():
					t.Fatalf("frame %d did not come", i)
				}
			}
		})
	}
}

// 64 goroutines send at once, small frames and large ones: each frame arrives
// whole, and those of one goroutine in order.
func TestConcurrentSends(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			const senders, each = 64, 20
			var mu sync.Mutex
			next := map[byte]byte{}
			done := make(chan struct{})
			total := 0
			a, b := pair(t, transport, func(_ p2p.PeerID, f []byte) {
				mu.Lock()
				defer mu.Unlock()
				if !bytes.Equal(f[2:], bytes.Repeat(f[:1], len(f)-2)) {
					t.Errorf("a mixed frame of sender %d", f[0])
				}
				if f[1] != next[f[0]] {
					t.Errorf("sender %d: frame %d, want %d", f[0], f[1], next[f[0]])
				}
				next[f[0]] = f[1] + 1
				if total++; total == senders*each {
					close(done)
				}
			})
			ctx := within(t, time.Minute)
			var all sync.WaitGroup
			for i := range byte(senders) {
				all.Go(func() {
					for j := range byte(each) {
						size := 2 + int(i)*int(j)*10
						frame := append([]byte{i, j}, bytes.Repeat([]byte{i}, size)...)
						if err := a.Send(ctx, b.ID(), "direct", frame); err != nil {
							t.Errorf("sender %d: %v", i, err)
							return
						}
					}
				})
			}
			all.Wait()
			select {
			case <-done:
			case <-ctx.Done():
				mu.Lock()
				defer mu.Unlock()
				t.Fatalf("%d of %d frames came", total, senders*each)
			}
		})
	}
}

func TestSendRefuses(t *testing.T) {
	a, b := pair(t, p2ptest.TCP, func(p2p.PeerID, []byte) {})
	ctx := within(t, time.Minute)
	if err := b.Send(ctx, a.ID(), "direct", make([]byte, 1<<20+1)); !errors.Is(err, p2p.ErrTooLarge) {
		t.Errorf("a byte too many: %v, want ErrTooLarge", err)
	}
	if err := a.Send(ctx, b.ID(), "direct", make([]byte, p2p.MaxFrame+1)); !errors.Is(err, p2p.ErrTooLarge) {
		t.Errorf("above every limit: %v, want ErrTooLarge", err)
	}
	if err := a.Send(ctx, "nobody", "direct", nil); !errors.Is(err, p2p.ErrAddr) {
		t.Errorf("to a malformed id: %v, want ErrAddr", err)
	}
	pub, _ := newKey(t)
	if err := a.Send(ctx, p2p.PeerOf(pub), "direct", nil); !errors.Is(err, p2p.ErrUnreachable) {
		t.Errorf("to an unknown peer: %v, want ErrUnreachable", err)
	}
	if err := a.Send(ctx, a.ID(), "direct", nil); !errors.Is(err, p2p.ErrAddr) {
		t.Errorf("to itself: %v, want ErrAddr", err)
	}
	if err := a.Send(ctx, b.ID(), "nothing", nil); err == nil {
		t.Error("sent on a channel that nobody serves")
	}
	for name, c := range map[string]p2p.Channel{
		"taken": {Name: "direct", MaxFrame: 1, Receive: func(p2p.PeerID, []byte) {}},
		"ping":  {Name: "ping", MaxFrame: 1, Receive: func(p2p.PeerID, []byte) {}},
		"shape": {Name: "Direct!", MaxFrame: 1, Receive: func(p2p.PeerID, []byte) {}},
		"frame": {Name: "x", MaxFrame: 0, Receive: func(p2p.PeerID, []byte) {}},
		"nil":   {Name: "y", MaxFrame: 1},
	} {
		if err := b.Handle(c); !errors.Is(err, p2p.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
}

// What a peer sends never ends the daemon: a receiver's panic, a frame above the
// channel's limit and a role that may not send cost that stream.
func TestBadFramesCostTheStream(t *testing.T) {
	got := make(chan string, 4)
	take := func(_ p2p.PeerID, f []byte) {
		select {
		case got <- string(f):
		default: // more than were waited for; whoever blocks here holds up the end of the host
		}
	}
	a, b := pair(t, p2ptest.QUIC, func(from p2p.PeerID, f []byte) {
		if string(f) == "panic" {
			panic("as asked")
		}
		take(from, f)
	})
	if err := b.Handle(p2p.Channel{Name: "dispatch", MaxFrame: 8, Roles: []p2p.Role{p2p.RoleCoordinator}, Receive: func(from p2p.PeerID, _ []byte) {
		t.Errorf("a frame of %s on the coordinator's channel", from)
	}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Handle(p2p.Channel{Name: "small", MaxFrame: 8, Receive: take}); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, time.Minute)
	send := func(channel, frame string) {
		t.Helper()
		if err := a.Send(ctx, b.ID(), channel, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	rejected := func(n uint64) {
		t.Helper()
		p2ptest.Eventually(t, 30*time.Second, "the stream was reset", func() bool { return b.Stats().FramesRejected == n })
	}
	send("direct", "panic")
	rejected(1)
	send("small", "more than eight bytes")
	rejected(2)
	a.Send(ctx, b.ID(), "dispatch", []byte("ok")) //nolint:errcheck // the reset may come before all is written
	rejected(3)
	p2ptest.Eventually(t, 30*time.Second, "both channels work again", func() bool {
		send("direct", "again")
		send("small", "again")
		return len(got) == cap(got)
	})
	if b.Stats().Panics != 1 {
		t.Errorf("%d panics were counted, want 1", b.Stats().Panics)
	}
}

// What a host keeps for sending to a peer goes with the peer, and is not kept for
// one that was never reached on a channel.
func TestStreamsEndWithThePeer(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			net := p2ptest.New(t, p2ptest.Config{Transport: transport})
			party, coordinator := net.Add(p2p.RoleParty), net.Add(p2p.RoleCoordinator)
			ctx := within(t, time.Minute)
			for range 3 {
				guest := net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour))
				arrived := make(chan struct{}, 10)
				err := guest.Handle(p2p.Channel{Name: "direct", MaxFrame: 8, Receive: func(p2p.PeerID, []byte) { arrived <- struct{}{} }})
				if err != nil {
					t.Fatal(err)
				}
				if err := guest.Reach(ctx, party); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if err := party.Send(ctx, guest.ID(), "direct", []byte("x")); err != nil {
						t.Fatal(err)
					}
					<-arrived
				}
				party.Send(ctx, guest.ID(), "nothing", []byte("x")) //nolint:errcheck // nobody serves it
				if got := p2p.OpenOut(party.Host); got != 1 && got != 2 {
					t.Errorf("%d streams are kept for one guest", got)
				}
				guest.Stop()
				p2ptest.Eventually(t, 30*time.Second, "nothing is kept for a guest that is gone", func() bool { return p2p.OpenOut(party.Host) == 0 })
			}
		})
	}
}
