package p2p_test

import (
	"context"
	"crypto/ed25519"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	pb "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2psim"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// crowd is a relay and peers of it that speak libp2p as they like, in a
// simulated network.
type crowd struct {
	t           *testing.T
	net         *p2ptest.Network
	relay       *p2ptest.Node
	coordinator *p2ptest.Node
	at          peer.AddrInfo // the relay
	members     int
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	c := &crowd{t: t, net: p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})}
	c.relay, c.coordinator = c.net.Add(p2p.RoleBootstrap), c.net.Add(p2p.RoleCoordinator)
	info, err := peer.AddrInfoFromString(c.relay.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	c.at = *info
	return c
}

// add makes a peer that has said hello to the relay and, if it is to be called,
// holds a slot and takes every call.
func (c *crowd) add(role p2p.Role, called bool) host.Host {
	c.t.Helper()
	_, key := newKey(c.t)
	h := c.enter(key, role)
	if called {
		c.reserve(h)
		h.SetStreamHandler(proto.ProtoIDv2Stop, takeCall)
	}
	return h
}

// enter makes a host with the key given, at an address of its own, that has said
// hello to the relay.
func (c *crowd) enter(key ed25519.PrivateKey, role p2p.Role) host.Host {
	c.t.Helper()
	id := p2p.PeerOf(key.Public().(ed25519.PublicKey))
	identity, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	options := append(c.net.Sim.Endpoint()(),
		libp2p.Identity(identity), libp2p.ListenAddrStrings(p2psim.Addr(100+c.members)), libp2p.Transport(quic.NewTransport),
		libp2p.DisableMetrics(), libp2p.DisableRelay(), libp2p.Ping(false), libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.ResourceManager(&network.NullResourceManager{}))
	c.members++
	h, err := libp2p.New(options...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { h.Close() }) //nolint:errcheck // the test is over
	if err := h.Connect(within(c.t, 5*time.Second), c.at); err != nil {
		c.t.Fatal(err)
	}
	token := c.net.Credential(p2p.Member{Peer: id, Role: role})
	if role == p2p.RoleExternal {
		if token, err = c.coordinator.IssuePass(id, time.Now().Add(20*time.Hour)); err != nil {
			c.t.Fatal(err)
		}
	}
	if code := p2p.HelloOf(c.t, h, c.relay.ID(), token); code != "" {
		c.t.Fatalf("refused with %q", code)
	}
	return h
}

func (c *crowd) reserve(h host.Host) {
	c.t.Helper()
	if _, err := client.Reserve(within(c.t, 5*time.Second), h, c.at); err != nil {
		c.t.Fatal(err)
	}
}

// takeCall accepts a call and echoes what comes.
func takeCall(s network.Stream) {
	accepted := &pb.StopMessage{Type: pb.StopMessage_STATUS.Enum(), Status: pb.Status_OK.Enum()}
	if receive(s, new(pb.StopMessage)) != nil || send(s, accepted) != nil {
		s.Reset() //nolint:errcheck // the caller sees it
		return
	}
	io.Copy(s, s) //nolint:errcheck // until the caller ends it
	s.Close()     //nolint:errcheck // the caller is gone
}

// call asks the relay for a circuit.
func (c *crowd) call(from, to host.Host) (network.Stream, pb.Status) {
	c.t.Helper()
	s, err := from.NewStream(network.WithNoDial(within(c.t, time.Hour), "test"), c.at.ID, proto.ProtoIDv2Hop)
	if err != nil {
		c.t.Fatal(err)
	}
	answer := new(pb.HopMessage)
	question := &pb.HopMessage{Type: pb.HopMessage_CONNECT.Enum(), Peer: &pb.Peer{Id: []byte(to.ID())}}
	if err := send(s, question); err != nil {
		c.t.Fatal(err)
	}
	if err := receive(s, answer); err != nil {
		return s, pb.Status_UNUSED
	}
	return s, answer.GetStatus()
}

func send(s network.Stream, m protoreflect.ProtoMessage) error {
	_, err := protodelim.MarshalTo(s, m)
	return err
}

// receive reads byte by byte: what follows belongs to the circuit.
func receive(s network.Stream, m protoreflect.ProtoMessage) error {
	return protodelim.UnmarshalFrom(oneByOne{s}, m)
}

type oneByOne struct{ network.Stream }

func (r oneByOne) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(r, b[:])
	return b[0], err
}

// A guest has sixteen circuits, be it the caller or the called, and a slot with
// them; a member has more. A circuit that ends makes room.
func TestGuestCircuitsAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		caller, called p2p.Role
		bounded        bool
	}{
		"guest calls guest":   {p2p.RoleExternal, p2p.RoleExternal, true},
		"guest calls party":   {p2p.RoleExternal, p2p.RoleParty, true},
		"party calls guest":   {p2p.RoleParty, p2p.RoleExternal, true},
		"parties among them.": {p2p.RoleParty, p2p.RoleParty, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crowd := newCrowd(t)
				a, b := crowd.add(c.caller, true), crowd.add(c.called, true)
				var circuits []network.Stream
				for range 40 {
					if s, status := crowd.call(a, b); status == pb.Status_OK {
						circuits = append(circuits, s)
					}
				}
				if c.bounded && len(circuits) != 16 || !c.bounded && len(circuits) != 40 {
					t.Errorf("%d circuits", len(circuits))
				}
				crowd.reserve(a)
				crowd.reserve(b)
				if !c.bounded {
					return
				}
				circuits[0].Close() //nolint:errcheck // the next call shows it
				circuits[1].Reset() //nolint:errcheck // the next call shows it
				time.Sleep(time.Second)
				opened := 0
				for range 4 {
					if _, status := crowd.call(a, b); status == pb.Status_OK {
						opened++
					}
				}
				if opened != 2 {
					t.Errorf("%d circuits after two have ended, want 2", opened)
				}
				a.Close() //nolint:errcheck // the relay shows it
				p2ptest.Eventually(t, time.Minute, "nothing is counted for who has gone", func() bool {
					return p2p.GuestStreams(t, crowd.relay.Host, a.ID().String())+p2p.GuestStreams(t, crowd.relay.Host, b.ID().String()) == 0
				})
				p2ptest.Eventually(t, time.Minute, "and no budget is kept", func() bool { return p2p.Accounts(crowd.relay.Host) == 0 })
			})
		})
	}
}

// What a guest sends through a relay beyond a burst goes slowly, over however
// many circuits; a member's does not.
func TestGuestBytesAreMetered(t *testing.T) {
	const burst, rate, total = 1 << 20, 128 << 10, 2 << 20
	for _, role := range []p2p.Role{p2p.RoleExternal, p2p.RoleParty} {
		t.Run(string(role), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crowd := newCrowd(t)
				p2p.SetGuestBudget(crowd.relay.Host, burst, rate)
				a, b := crowd.add(role, false), crowd.add(p2p.RoleParty, true)
				begin := time.Now()
				const circuits = 4
				ended := make(chan error, circuits)
				for range circuits {
					s, status := crowd.call(a, b)
					if status != pb.Status_OK {
						t.Fatal(status)
					}
					go func() { s.Write(make([]byte, total/circuits)) }() //nolint:errcheck // the echo shows it
					go func() {
						_, err := io.CopyN(io.Discard, s, total/circuits)
						ended <- err
						s.Reset() //nolint:errcheck // the test is over
					}()
				}
				for range circuits {
					if err := <-ended; err != nil {
						t.Fatal(err)
					}
				}
				took := time.Since(begin)
				t.Logf("%d KiB took %v", total>>10, took)
				least := time.Second * (total - burst) / rate
				if guest := role == p2p.RoleExternal; guest && (took < least || took > least+2*time.Second) || !guest && took > 2*time.Second {
					t.Errorf("a %s's %d KiB took %v; a guest's should take %v", role, total>>10, took, least)
				}
			})
		})
	}
}

// A peer that is slow for a while keeps its connections, whoever calls it, and is
// asked rarely. One that stays silent loses them. One without a slot is not asked.
func TestCallersDoNotDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crowd := newCrowd(t)
		caller, slow, other := crowd.add(p2p.RoleExternal, false), crowd.add(p2p.RoleExternal, true), crowd.add(p2p.RoleParty, false)
		var asked, askedOther atomic.Int64
		ctx, cancel := context.WithCancel(context.Background())
		mute := func(count *atomic.Int64) network.StreamHandler {
			return func(s network.Stream) {
				count.Add(1)
				<-ctx.Done()
				s.Reset() //nolint:errcheck // the test is over
			}
		}
		defer cancel()
		slow.SetStreamHandler("/mpc/test/ping/1", mute(&asked))
		other.SetStreamHandler("/mpc/test/ping/1", mute(&askedOther))
		met := func(h host.Host) bool {
			_, met := crowd.relay.Member(h.ID().String())
			return met
		}
		begin := time.Now()
		time.Sleep(2 * time.Second)
		for time.Since(begin) < 9*time.Second {
			for _, to := range []host.Host{slow, other} {
				s, _ := crowd.call(caller, to)
				s.Reset() //nolint:errcheck // it was asked for
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := asked.Load(); !met(slow) || n < 1 || n > 2 {
			t.Errorf("silent for 9 s: connected %v, asked %d times, want once or twice", met(slow), n)
		}
		time.Sleep(6 * time.Second)
		s, _ := crowd.call(caller, slow)
		s.Reset() //nolint:errcheck // it was asked for
		time.Sleep(time.Second)
		if met(slow) {
			t.Error("still connected after it was silent for 17 s")
		}
		if n := askedOther.Load(); n != 0 || !met(other) {
			t.Errorf("a peer without a slot was asked %d times, connected %v", n, met(other))
		}
	})
}

// A peer that has moved, and left a connection that looks alive behind, is called
// over the new one.
func TestMovedPeerIsCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crowd := newCrowd(t)
		_, key := newKey(t)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for i := range 4 {
			h := crowd.enter(key, p2p.RoleExternal)
			crowd.reserve(h)
			h.SetStreamHandler(proto.ProtoIDv2Stop, takeCall)
			caller := crowd.add(p2p.RoleExternal, false)
			begin := time.Now()
			if _, status := crowd.call(caller, h); status != pb.Status_OK {
				t.Fatalf("move %d: %v after %v", i, status, time.Since(begin))
			}
			t.Logf("move %d: a circuit after %v", i, time.Since(begin))
			silent := func(s network.Stream) { <-ctx.Done(); s.Reset() } //nolint:errcheck // the test is over
			h.SetStreamHandler(proto.ProtoIDv2Stop, silent)
			h.SetStreamHandler("/mpc/test/ping/1", silent)
		}
	})
}
