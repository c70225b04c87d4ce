// Package p2ptest makes networks of real p2p hosts for tests: on loopback over
// QUIC or TCP, or over a simulated network inside a testing/synctest bubble.
//
//	net := p2ptest.New(t, p2ptest.Config{Transport: p2ptest.QUIC})
//	nodes := net.Pool(3)         // a bootstrap node and three running parties
//	coordinator := net.Add(p2p.RoleCoordinator)
//	guest := net.Add(p2p.RoleExternal, net.Invite(coordinator, time.Hour))
//	net.Mesh(nodes...)           // all connected to all
//	nodes[0].Send(ctx, nodes[1].ID(), "direct", frame)
//	nodes[1].Kill()              // gone without a word, as by kill -9
//	nodes[1].Restart()           // the same identity and address, a new boot id
//
// Everything is closed at the end of the test, in the right order. For
// [Simulated], call New inside synctest.Test with the bubble's own t.
package p2ptest
