package p2p

import "github.com/libp2p/go-libp2p"

// Simulated gives a host the options of a simulated network, such as a QUIC
// transport over packets in memory, in place of the sockets of this machine.
// It exists for simulations and tests under virtual time and is called once
// for each New. It must not set identity, listen addresses, resource or
// connection manager, nor the connection gater.
type Simulated func() []libp2p.Option
