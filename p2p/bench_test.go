package p2p_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/p2p/p2ptest"
)

// BenchmarkFreshTopic is one session's worth of gossip: join, ready, one message
// of each to all.
func BenchmarkFreshTopic(b *testing.B) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		b.Run(string(transport), func(b *testing.B) {
			net := p2ptest.New(b, p2ptest.Config{Transport: transport})
			nodes := net.Pool(3)
			net.Mesh(nodes...)
			for i := 0; b.Loop(); i++ {
				if err := committee(b, fmt.Sprintf("s/%d", i), nodes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRoundTrip is a 2 KB frame there and a frame back.
func BenchmarkRoundTrip(b *testing.B) {
	for _, transport := range []p2ptest.Transport{p2ptest.QUIC, p2ptest.TCP} {
		b.Run(string(transport), func(b *testing.B) {
			net := p2ptest.New(b, p2ptest.Config{Transport: transport})
			x, y := net.Add(p2p.RoleParty), net.Add(p2p.RoleParty)
			back := make(chan struct{}, 1)
			ctx := context.Background()
			handle := func(n *p2ptest.Node, receive func(p2p.PeerID, []byte)) {
				if err := n.Handle(p2p.Channel{Name: "direct", MaxFrame: 1 << 16, Receive: receive}); err != nil {
					b.Fatal(err)
				}
			}
			handle(x, func(p2p.PeerID, []byte) { back <- struct{}{} })
			handle(y, func(from p2p.PeerID, f []byte) {
				if err := y.Send(ctx, from, "direct", f[:10]); err != nil {
					b.Error(err)
				}
			})
			net.Mesh(x, y)
			frame := make([]byte, 2048)
			for b.Loop() {
				if err := x.Send(ctx, y.ID(), "direct", frame); err != nil {
					b.Fatal(err)
				}
				<-back
			}
		})
	}
}
