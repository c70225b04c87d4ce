package engine

import (
	"context"
	"sync"

	"github.com/meshmpc/mpcd/protocol"
)

// cancels are the presignatures that parties are to forget and have not been told to yet.
// A party that cannot be reached for a moment is told later: what it holds for nobody
// counts to what it may hold. The zero value holds none.
type cancels struct {
	mu sync.Mutex
	of map[protocol.PeerID]*backlog
}

// backlog is what one party is to forget.
type backlog struct {
	boot    uint64 // of the process that holds it
	reasons map[protocol.SID]string
	telling bool // a goroutine does
}

func (c *cancels) add(peer protocol.PeerID, boot uint64, sid protocol.SID, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.of[peer]
	if b == nil || b.boot < boot {
		if c.of == nil {
			c.of = make(map[protocol.PeerID]*backlog)
		}
		b = &backlog{boot: boot, reasons: make(map[protocol.SID]string)}
		c.of[peer] = b
	}
	if b.boot == boot {
		b.reasons[sid] = reason
	}
}

// drop forgets a party's backlog: it has been told to forget everything, or will be.
func (c *cancels) drop(peer protocol.PeerID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, peer)
}

// start returns what to tell a party, nil if that is nothing or somebody does already.
// The process that holds it must be the one of this boot.
func (c *cancels) start(peer protocol.PeerID, boot uint64) *backlog {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.of[peer]
	switch {
	case b == nil || b.telling:
		return nil
	case b.boot != boot: // it is gone with the process
		delete(c.of, peer)
		return nil
	}
	b.telling = true
	return b
}

// next returns one presignature that is to be forgotten. When told is set, that one has been.
// Without one the telling has ended.
func (c *cancels) next(b *backlog, told *protocol.SID) (protocol.Cancel, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if told != nil {
		delete(b.reasons, *told)
	}
	for sid, reason := range b.reasons {
		return protocol.Cancel{SID: sid, Reason: reason}, true
	}
	b.telling = false
	return protocol.Cancel{}, false
}

func (c *cancels) stop(b *backlog) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.telling = false
}

// forgetPresignature tells those who may hold a presignature that it is of no use: now, or
// when they can be reached.
func (e *Engine) forgetPresignature(p *presignature, reason string) {
	for _, x := range p.parties {
		e.cancels.add(x.Peer, p.boots[x.Peer], p.sid, reason)
		e.tellCancels(x.Peer)
	}
}

// tellCancels tells a party what it is to forget, if it is there.
func (e *Engine) tellCancels(peer protocol.PeerID) {
	known, ok := e.cfg.Pool.Party(peer)
	if !ok || !known.Live {
		return
	}
	if b := e.cancels.start(peer, known.Boot); b != nil {
		e.spawn(func() {
			if !e.tell(peer, b) {
				e.cancels.stop(b) // the next look tries again
			}
		})
	}
}

// tell sends a backlog; false: a frame was not sent.
func (e *Engine) tell(peer protocol.PeerID, b *backlog) bool {
	c, more := e.cancels.next(b, nil)
	for more {
		data, err := protocol.Marshal(protocol.Frame{Cancel: &c})
		if err == nil {
			ctx, cancel := context.WithTimeout(e.ctx, sendTimeout)
			err = e.cfg.Mesh.Send(ctx, peer, protocol.ChannelDispatch, data)
			cancel()
		}
		if err != nil {
			log.Debugw("a party could not be told to forget a presignature", "party", peer, "error", err)
			return false
		}
		c, more = e.cancels.next(b, &c.SID)
	}
	return true
}
