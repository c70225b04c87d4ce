package p2p

import "sync/atomic"

// Stats counts what happened since New. All figures only grow.
type Stats struct {
	Admitted          uint64 // hellos that passed, one for each connection
	Refused           uint64 // peers that this node refused
	RefusedBy         uint64 // peers that refused this node
	HelloFailed       uint64 // connections closed because no hello came
	StreamsTurnedAway uint64 // incoming streams of peers that were not admitted, or not for this
	FramesIn          uint64 // frames handed to a channel
	FramesOut         uint64 // frames written to a stream
	FramesRejected    uint64 // streams reset for a frame that was too large or malformed, or for a role that may not send
	Panics            uint64 // panics contained in handlers and validators
	PingsMissed       uint64 // pings of kept peers without an answer
	Redials           uint64 // kept peers whose connections were closed as dead
	Published         uint64 // topic messages published here
	Delivered         uint64 // topic messages accepted from others
	Rejected          uint64 // topic messages that a validator or a full validation queue rejected
	Undeliverable     uint64 // topic messages dropped because the caller read too slowly
	DroppedRPCs       uint64 // gossip packets dropped because a peer's queue was full
	Subscriptions     uint64 // foreign subscriptions that the filter turned away
	Evicted           uint64 // strangers whose subscription was undone
	Intrusions        uint64 // topic messages dropped unread, because who passed them on may not send on the topic
	TooFast           uint64 // topic messages dropped unread, because who passed them on sends more than it may, or much that is invalid
	Unwanted          uint64 // topic messages that a validator did not care to verify
	GuestsEnded       uint64 // guests disconnected because they kept sending messages of this kind, or invalid ones
	Slots             uint64 // reservations that this relay granted or renewed
	Circuits          uint64 // connections that this relay passed on
	CircuitBytes      uint64 // what went through them, both ways
}

type counters struct {
	admitted, refused, refusedBy, helloFailed, streamsTurnedAway          atomic.Uint64
	framesIn, framesOut, framesRejected, panics                           atomic.Uint64
	pingsMissed, redials                                                  atomic.Uint64
	published, delivered, rejected, undeliverable                         atomic.Uint64
	droppedRPCs, subscriptions, evicted, intrusions, tooFast, guestsEnded atomic.Uint64
	unwanted                                                              atomic.Uint64
	slots, circuits, circuitBytes                                         atomic.Uint64
}

// Stats are the counters of this host.
func (h *Host) Stats() Stats {
	c := h.stats
	return Stats{
		Admitted: c.admitted.Load(), Refused: c.refused.Load(), RefusedBy: c.refusedBy.Load(),
		HelloFailed: c.helloFailed.Load(), StreamsTurnedAway: c.streamsTurnedAway.Load(),
		FramesIn: c.framesIn.Load(), FramesOut: c.framesOut.Load(), FramesRejected: c.framesRejected.Load(),
		Panics: c.panics.Load(), PingsMissed: c.pingsMissed.Load(), Redials: c.redials.Load(),
		Published: c.published.Load(), Delivered: c.delivered.Load(), Rejected: c.rejected.Load(),
		Undeliverable: c.undeliverable.Load(), DroppedRPCs: c.droppedRPCs.Load(),
		Subscriptions: c.subscriptions.Load(), Evicted: c.evicted.Load(),
		Intrusions: c.intrusions.Load(), TooFast: c.tooFast.Load(), Unwanted: c.unwanted.Load(), GuestsEnded: c.guestsEnded.Load(),
		Slots: c.slots.Load(), Circuits: c.circuits.Load(), CircuitBytes: c.circuitBytes.Load(),
	}
}
