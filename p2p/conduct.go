package p2p

import (
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

const (
	maxOffences  = 64 // bad topic messages of a guest that are borne at once
	forgetPerSec = 1  // and how many of them are forgotten in a second

	// guestPace is how many topic messages of a guest are taken a second, and at
	// once: a session has some twenty, and pubsub's one queue room for many times as many.
	guestPace = 512

	// Invalid topic messages of any peer that are looked at in a second, and at once. Each
	// costs the check of a signature, and nobody honest sends one: a topic's members check
	// what they pass on.
	invalidRate, invalidBurst = 32, 128
)

// conduct is how a peer behaves on topics. A guest that misbehaves is disconnected. Members
// that do the same are dropped and counted, but stay: they answer to the network's operator.
type conduct struct {
	pace     *rate.Limiter // of all messages of a guest
	patience *rate.Limiter // with bad ones of a guest
	invalid  *rate.Limiter // with invalid ones of anybody
	ended    atomic.Bool
}

func newConduct() *conduct {
	return &conduct{
		pace:     rate.NewLimiter(guestPace, guestPace),
		patience: rate.NewLimiter(forgetPerSec, maxOffences),
		invalid:  rate.NewLimiter(invalidRate, invalidBurst),
	}
}

// heeded tells whether what the peer says is looked at: it has not said too much that was
// invalid lately.
func (c *conduct) heeded() bool { return c.invalid.Tokens() >= 1 }

// offend notes a bad message. It is true once, for the one that was too many.
func (c *conduct) offend() (enough bool) {
	return !c.patience.Allow() && c.ended.CompareAndSwap(false, true)
}

// inspect drops messages that were passed on by peers that may not send on their
// topic, and what comes too fast. It runs before anything else looks at
// them: in pubsub's queue they would crowd out others, and among the seen they
// would hide the same message when it comes from where it should. Members of a
// topic pass on each other's.
func (h *Host) inspect(from peer.ID, rpc *pubsub.RPC) error {
	kept := rpc.Publish[:0]
	for _, m := range rpc.Publish {
		judged := h.topics.judge(from, m.GetTopic(), len(m.GetData()))
		switch {
		case judged == intrusion:
			h.stats.intrusions.Add(1)
			h.offence(from)
		case judged == tooFast, !h.peers.heeded(from), !h.peers.keepsPace(from, len(m.GetData())):
			h.stats.tooFast.Add(1)
		default:
			kept = append(kept, m)
		}
	}
	clear(rpc.Publish[len(kept):])
	rpc.Publish = kept
	return nil
}

// offence is a topic message that a peer should not have sent. A guest with too
// many of them is disconnected, and turned away for a moment.
func (h *Host) offence(p peer.ID) {
	if !h.peers.offend(p) {
		return
	}
	h.stats.guestsEnded.Add(1)
	h.tasks.spawn(func() { h.drop(p, ErrMisconduct) })
}
