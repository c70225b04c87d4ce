package p2p_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// A stranger is a member of nothing, or of something else: the host of another
// network whose configuration says otherwise cannot be made by p2p itself, so
// its credential is swapped after New would have checked it.
func TestHelloRefusals(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		t.Run(string(transport), func(t *testing.T) {
			net := p2ptest.New(t, p2ptest.Config{Transport: transport})
			elsewhere := p2ptest.New(t, p2ptest.Config{Transport: transport, Name: "elsewhere"})
			forged := p2ptest.New(t, p2ptest.Config{Transport: transport}) // the same name, another authority
			server := net.Add(p2p.RoleParty)
			tries := 0
			for name, c := range map[string]struct {
				from *p2ptest.Network
				want error
			}{
				"another network":   {elsewhere, p2p.ErrCredentialWrongNetwork},
				"another authority": {forged, p2p.ErrCredentialBadSignature},
			} {
				stranger := c.from.Add(p2p.RoleParty)
				refused, tried := isRefused(t, stranger, server)
				tries += tried
				if !errors.Is(refused, p2p.ErrNotAdmitted) || !refused.ByRemote || !errors.Is(refused, c.want) {
					t.Errorf("%s: refused with %v, want %v by the other side", name, refused, c.want)
				}
				if _, met := server.Member(stranger.ID()); met {
					t.Errorf("%s: was admitted", name)
				}
			}
			if got := server.Stats(); got.Refused < 2 || got.Refused > uint64(tries) || got.Admitted != 0 {
				t.Errorf("counted %+v, want 2 refused, or %d that tried", got, tries)
			}
		})
	}
}

// isRefused dials until it is told why it may not come in, and how often it did: the other
// side waits half a second for that word to arrive, and on a machine that stalls for as long
// its connection has ended by then.
func isRefused(t *testing.T, from, to *p2ptest.Node) (refused *p2p.RefusedError, tries int) {
	t.Helper()
	p2ptest.Eventually(t, time.Minute, "it is told why it is refused", func() bool {
		tries++
		err := from.Reach(within(t, 20*time.Second), to)
		if err == nil {
			t.Fatal("it was let in")
		}
		return errors.As(err, &refused)
	})
	return refused, tries
}

// rawPeer is a peer that speaks libp2p and not our hello, unless told to.
func rawPeer(t *testing.T, key ed25519.PrivateKey, server *p2ptest.Node) host.Host {
	t.Helper()
	identity, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(identity), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() }) //nolint:errcheck // the test is over
	a, err := ma.NewMultiaddr(server.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	info, err := peer.AddrInfoFromP2pAddr(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Connect(within(t, 20*time.Second), *info); err != nil {
		t.Fatal(err)
	}
	return h
}

// A peer that says no hello reaches nothing, whatever protocol it tries, and is
// disconnected.
func TestSilentPeerReachesNothing(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.TCP})
	server := net.Add(p2p.RoleParty)
	if err := server.Handle(p2p.Channel{Name: "direct", MaxFrame: 100, Receive: func(from p2p.PeerID, _ []byte) {
		t.Errorf("a frame of %s arrived", from)
	}}); err != nil {
		t.Fatal(err)
	}
	topic := join(t, server, "pool", nil)
	_, key := newKey(t)
	h := rawPeer(t, key, server)
	ctx := within(t, time.Minute)
	ps, err := pubsub.NewGossipSub(ctx, h, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(pubsub.DefaultMsgIdFn), pubsub.WithFloodPublish(true))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ps.Join("/mpc/test/pool")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := theirs.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.Decode(server.ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, proto := range []protocol.ID{"/mpc/test/direct/1", "/mpc/test/ping/1", "/mpc/test/kad/1.0.0", "/meshsub/1.1.0"} {
		s, err := h.NewStream(network.WithNoDial(ctx, "test"), id, proto)
		if err != nil {
			continue // refused already: just as well
		}
		s.Write(make([]byte, 50))                          //nolint:errcheck // it may be reset by now
		s.SetReadDeadline(time.Now().Add(4 * time.Second)) //nolint:errcheck // TCP has deadlines
		if n, err := s.Read(make([]byte, 10)); err == nil {
			t.Errorf("%s: read %d bytes without a hello", proto, n)
		}
	}
	if err := topic.Publish(ctx, sealed(server, "for members")); err != nil {
		t.Fatal(err)
	}
	p2ptest.Eventually(t, 30*time.Second, "the silent peer is disconnected", func() bool { return len(h.Network().ConnsToPeer(id)) == 0 })
	soon, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if m, err := sub.Next(soon); err == nil {
		t.Errorf("it got the message %q", m.Data)
	}
	if server.Stats().StreamsTurnedAway == 0 {
		t.Error("no stream was counted as turned away")
	}
}

// Each bad credential is refused with its reason, and the peer is told.
func TestHelloWithBadCredentials(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.TCP})
	now := time.Now()
	mine, key := newKey(t)
	other, _ := newKey(t)
	for name, c := range map[string]struct {
		credential string
		code       string
	}{
		"none":         {"", "missing"},
		"noise":        {"x.y.z", "malformed"},
		"expired":      {net.Credential(p2p.Member{Peer: p2p.PeerOf(mine), Role: p2p.RoleParty, IssuedAt: now.Add(-2 * time.Hour), Expires: now.Add(-time.Hour)}), "expired"},
		"of a peer":    {net.Credential(p2p.Member{Peer: p2p.PeerOf(other), Role: p2p.RoleParty}), "peer"},
		"good control": {net.Credential(p2p.Member{Peer: p2p.PeerOf(mine), Role: p2p.RoleParty}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := net.Add(p2p.RoleParty)
			got := p2p.HelloOf(t, rawPeer(t, key, server), server.ID(), c.credential)
			if got != c.code {
				t.Errorf("refused with %q, want %q", got, c.code)
			}
			if _, met := server.Member(p2p.PeerOf(mine)); met != (c.code == "") {
				t.Errorf("admitted: %v", met)
			}
		})
	}
}

func TestOwnCredentialIsChecked(t *testing.T) {
	net := p2ptest.New(t, p2ptest.Config{})
	pub, _ := newKey(t)
	for name, c := range map[string]struct {
		change func(*p2p.Config)
		want   error
	}{
		"missing": {func(c *p2p.Config) { c.Credential = "" }, p2p.ErrCredentialMissing},
		"another's": {func(c *p2p.Config) {
			c.Credential = net.Credential(p2p.Member{Peer: p2p.PeerOf(pub), Role: p2p.RoleParty})
		}, p2p.ErrCredentialWrongPeer},
		"network":   {func(c *p2p.Config) { c.Network = "other" }, p2p.ErrCredentialWrongNetwork},
		"authority": {func(c *p2p.Config) { c.Authority = pub }, p2p.ErrCredentialBadSignature},
		"listen":    {func(c *p2p.Config) { c.Listen = nil }, p2p.ErrConfig},
		"address":   {func(c *p2p.Config) { c.Listen = []string{"0.0.0.0:4001"} }, p2p.ErrAddr},
		"bootstrap": {func(c *p2p.Config) { c.Bootstrap = []string{"/ip4/127.0.0.1/tcp/1"} }, p2p.ErrAddr},
		"identity":  {func(c *p2p.Config) { c.Identity = nil }, p2p.ErrConfig},
	} {
		if _, err := p2p.New(net.Prepare(p2p.RoleParty, c.change)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestPortInUse(t *testing.T) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		net := p2ptest.New(t, p2ptest.Config{Transport: transport})
		first := net.Add(p2p.RoleParty)
		_, err := p2p.New(net.Prepare(p2p.RoleParty, func(c *p2p.Config) { c.Listen = first.Config.Listen }))
		if !errors.Is(err, p2p.ErrListen) {
			t.Errorf("%s: %v, want ErrListen", transport, err)
		} else {
			t.Logf("%s: %v", transport, err)
		}
	}
}

// A credential that ends while the peer is connected ends the connection.
func TestExpiryOfLiveConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.Simulated})
		server := net.Add(p2p.RoleCoordinator)
		short := net.Add(p2p.RoleParty, func(c *p2p.Config) {
			pub, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			c.Identity = key
			c.Credential = net.Credential(p2p.Member{Peer: p2p.PeerOf(pub), Role: p2p.RoleParty, Expires: time.Now().Add(time.Hour)})
		})
		if err := short.Reach(within(t, 5*time.Second), server); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		if _, met := server.Member(short.ID()); !met {
			t.Fatal("dropped before its time")
		}
		time.Sleep(2 * time.Minute)
		if _, met := server.Member(short.ID()); met {
			t.Fatal("still admitted after its time")
		}
		if err := short.Reach(within(t, 5*time.Second), server); err == nil {
			t.Error("dialled again, and was let in")
		}
		time.Sleep(5 * time.Second) // past the memory of the refusal
		if err := short.Reach(within(t, 5*time.Second), server); !errors.Is(err, p2p.ErrCredentialExpired) {
			t.Errorf("dialled again with %v, want ErrCredentialExpired", err)
		}
	})
}
