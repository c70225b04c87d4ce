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
	// each member; what is dropped is asked for again. The queue before the validators
	// has room for two of these bursts.
	topicMessages, topicBurst   = 256, 512
	topicBytes, topicBytesBurst = 2 << 20, 8 << 20

	// On all channels together. Whoever sends faster waits.
	frameRate, frameBurst       = 1 << 14, 1 << 14
	frameBytes, frameBytesBurst = 64 << 20, 64 << 20
)

// pace bounds messages and bytes.
type pace struct{ messages, bytes *rate.Limiter }

func topicPace() *pace {
	return &pace{rate.NewLimiter(topicMessages, topicBurst), rate.NewLimiter(topicBytes, topicBytesBurst)}
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
