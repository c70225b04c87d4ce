package p2p

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Paces at which one peer is listened to: so many messages and bytes a second, and
// so many at once.
const (
	// On one topic, copies of others' messages included. A session has some thirty of
	// each member; what is dropped is asked for again.
	topicMessages, topicBurst   = 256, 512
	topicBytes, topicBytesBurst = 2 << 20, 8 << 20

	// On a topic that many sessions share: 64 signings at once have together as many as
	// that when they begin at the same moment, and hundreds of them may end in a second.
	sharedMessages, sharedBurst   = 4096, 2048
	sharedBytes, sharedBytesBurst = 8 << 20, 8 << 20

	// On all topics together. The queue before the validators has room for four such
	// bursts: no member or two can fill it.
	gossipMessages, gossipBurst   = 8192, 2048
	gossipBytes, gossipBytesBurst = 32 << 20, 64 << 20

	// On all channels together. Whoever sends faster waits.
	frameRate, frameBurst       = 1 << 14, 1 << 14
	frameBytes, frameBytesBurst = 64 << 20, 64 << 20
)

// pace bounds messages and bytes.
type pace struct{ messages, bytes *rate.Limiter }

func topicPace(shared bool) *pace {
	if shared {
		return &pace{rate.NewLimiter(sharedMessages, sharedBurst), rate.NewLimiter(sharedBytes, sharedBytesBurst)}
	}
	return &pace{rate.NewLimiter(topicMessages, topicBurst), rate.NewLimiter(topicBytes, topicBytesBurst)}
}

func gossipPace() *pace {
	return &pace{rate.NewLimiter(gossipMessages, gossipBurst), rate.NewLimiter(gossipBytes, gossipBytesBurst)}
}

func framePace() *pace {
	return &pace{rate.NewLimiter(frameRate, frameBurst), rate.NewLimiter(frameBytes, frameBytesBurst)}
}

// allow takes a message of some size, or says that it came too fast.
func (p *pace) allow(size int) bool {
	return p.messages.Allow() && p.bytes.AllowN(time.Now(), size)
}

// wait takes a message of some size when it may come. It fails only when ctx ends.
func (p *pace) wait(ctx context.Context, size int) error {
	if err := p.messages.Wait(ctx); err != nil {
		return err
	}
	return p.bytes.WaitN(ctx, size)
}
