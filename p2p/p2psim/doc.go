// Package p2psim is a simulated network for hosts of package p2p: real QUIC over
// packets in memory, with latency, bandwidth, loss and cuts. It runs in real
// time or, inside a testing/synctest bubble, in virtual time.
//
// The caller makes a [Network], gives each host the result of
// [Network.Endpoint] as its Config.Simulated with a listen address from
// [Addr], closes the hosts and then the network. It is not deterministic to the
// bit: assert outcomes, not times.
package p2psim
