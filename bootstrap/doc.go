// Package bootstrap is the node through which others find each other. It is a
// member like any other, with the role bootstrap: it serves the network's DHT
// at an address that everybody is told in advance, and it holds no shares and
// joins no topics.
//
// It is also where those meet who cannot dial each other: guests and members
// behind address translation hold a slot on each bootstrap node, which relays
// connections to them (see package p2p, Relays). What it relays is encrypted
// between the two ends. It should therefore stand where everybody reaches it.
//
// The caller makes a [Node] with [New], which listens at once, and calls
// [Node.Run], which blocks until its context ends. A network may have several
// bootstrap nodes; each is told the addresses of the others. When all are down,
// members that know each other go on working, newcomers find nobody, and guests
// behind address translation have lost each other.
package bootstrap
