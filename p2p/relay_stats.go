package p2p

import (
	"time"

	pb "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
)

// relayMeter counts what the relay does (relay.MetricsTracer).
type relayMeter struct{ stats *counters }

func (m relayMeter) ReservationAllowed(bool)             { m.stats.slots.Add(1) }
func (m relayMeter) ConnectionOpened()                   { m.stats.circuits.Add(1) }
func (m relayMeter) BytesTransferred(n int)              { m.stats.circuitBytes.Add(uint64(max(n, 0))) }
func (m relayMeter) RelayStatus(bool)                    {}
func (m relayMeter) ConnectionClosed(time.Duration)      {}
func (m relayMeter) ConnectionRequestHandled(pb.Status)  {}
func (m relayMeter) ReservationClosed(int)               {}
func (m relayMeter) ReservationRequestHandled(pb.Status) {}
