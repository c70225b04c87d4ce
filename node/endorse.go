package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/meshmpc/mpcd/keystore"
	"github.com/meshmpc/mpcd/protocol"
)

// Bounds of what members say and ask about interrupted keygens. A frame that is
// refused or finds no room is dropped: who asks asks again.
const (
	endorseSlots   = 16       // looked at a time
	endorseAtATime = 2        // of one peer, with its answers on their way
	endorseWaiting = 32       // of one peer, after those
	maxEndorse     = 64 << 10 // bytes of a frame; half of it does for 32 members and 32 approvers
	maxText        = 255      // bytes of a name, as in the keystore
	maxPublicKey   = 65       // uncompressed
)

// desk gives everybody a turn of its own: a peer that does not read its answers, or
// asks without end, holds up nobody else. Only looking at a frame takes one of the
// slots, which are all peers'; answering takes the asker's own time.
type desk struct {
	slots chan struct{}

	mu    sync.Mutex
	of    map[protocol.PeerID]*lane
	count uint64 // of jobs, to tell them apart
}

// lane is one peer's turn.
type lane struct {
	working int
	waiting []*protocol.Endorse
}

func newDesk() *desk {
	return &desk{slots: make(chan struct{}, endorseSlots), of: make(map[protocol.PeerID]*lane)}
}

// enter reports whether a frame may be worked on at once; if not, it waits, if
// there is room, until leave returns it.
func (d *desk) enter(from protocol.PeerID, e *protocol.Endorse) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.of[from]
	if l == nil {
		l = &lane{}
		d.of[from] = l
	}
	if l.working < endorseAtATime {
		l.working++
		return true
	}
	if len(l.waiting) < endorseWaiting {
		l.waiting = append(l.waiting, e)
	}
	return false
}

// leave ends the work on a frame and returns the peer's next one; nil if there is none.
func (d *desk) leave(from protocol.PeerID) *protocol.Endorse {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.of[from]
	if len(l.waiting) > 0 {
		next := l.waiting[0]
		l.waiting[0], l.waiting = nil, l.waiting[1:]
		return next
	}
	if l.working--; l.working == 0 {
		delete(d.of, from)
	}
	return nil
}

// name returns a job's name: none replaces another.
func (d *desk) name(from protocol.PeerID) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	return fmt.Sprintf("endorse %s %d", from, d.count)
}

// endorsed takes what another member knows of a key, or asks. It does not block.
func (n *Node) endorsed(from protocol.PeerID, e *protocol.Endorse, size int) {
	if size > maxEndorse || !mayBeReal(e) || !n.endorses.allow(from) {
		return
	}
	if n.resolver.desk.enter(from, e) {
		n.serve(from, e)
	}
}

// serve works on a frame and then on the next ones of its sender.
func (n *Node) serve(from protocol.PeerID, e *protocol.Endorse) {
	d := n.resolver.desk
	n.start(d.name(from), resolveLimit, func(ctx context.Context) error { // if not, the node has stopped
		defer func() {
			if next := d.leave(from); next != nil {
				n.serve(from, next)
			}
		}()
		reply, err := n.inSlot(ctx, from, e)
		if err != nil {
			seldom.Do(func() { log.Warnw("what a member says of a pending key was not looked at", "peer", from, "error", err) })
		}
		if reply == nil {
			return nil
		}
		if err := n.sendEndorse(ctx, from, reply); err != nil {
			log.Debugw("a member that asked about a pending key was not answered; it asks again", "peer", from, "error", err)
		}
		return nil
	})
}

// inSlot is takeEndorsement for at most so many at a time.
func (n *Node) inSlot(ctx context.Context, from protocol.PeerID, e *protocol.Endorse) (*protocol.Endorse, error) {
	select {
	case n.resolver.desk.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-n.resolver.desk.slots }()
	return n.takeEndorsement(ctx, from, e)
}

// mayBeReal refuses what is longer than a real one can be: the answer repeats the body.
func mayBeReal(e *protocol.Endorse) bool {
	b := &e.Certificate.Body
	ok := len(b.Key) <= maxText && len(b.Account) <= maxText && len(b.Network) <= maxText && len(b.Scheme) <= maxText &&
		len(b.PublicKey) <= maxPublicKey && len(b.Roster) <= protocol.MaxParties && len(e.Certificate.Signatures) == len(b.Roster)
	for _, m := range b.Roster {
		ok = ok && len(m.Peer) <= maxText && len(m.Role) <= maxText
	}
	for _, s := range e.Certificate.Signatures {
		ok = ok && len(s) <= protocol.SignatureSize
	}
	return ok && (e.Abandon == nil || len(e.Abandon.Party) <= maxText && len(e.Abandon.Signature) <= protocol.SignatureSize)
}

func (n *Node) sendEndorse(ctx context.Context, to protocol.PeerID, e *protocol.Endorse) error {
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	return n.sendDirect(ctx, to, protocol.DirectFrame{SID: e.Certificate.Body.SID, Endorse: e})
}

// takeEndorsement takes in what a member knows of a key, completes the key if
// nothing is missing any more, and returns what the member may lack.
func (n *Node) takeEndorsement(ctx context.Context, from protocol.PeerID, e *protocol.Endorse) (*protocol.Endorse, error) {
	theirs := &e.Certificate
	sid := theirs.Body.SID
	if n.underWay(sid) {
		return nil, nil // the session completes the key by itself
	}
	record, state, err := n.made(ctx, theirs.Body.Key, theirs.Body.Epoch)
	if errors.Is(err, errNoKey) || err == nil && record.Spec.SID() != sid {
		return n.withoutShare(ctx, from, e)
	}
	if err != nil {
		return nil, err
	}
	body := bodyOf(record)
	if !bytes.Equal(body.Signed(), theirs.Body.Signed()) || len(theirs.Signatures) != len(body.Roster) || roleIn(&record.Spec, from) == "" {
		return nil, nil // not about this key, or not a member's
	}
	if e.Reply {
		defer n.resolver.answered(from, e)
	}
	if e.Abandon != nil && (e.Reply || state == keystore.StateActive) {
		n.hearAbandon(from, record, state, e.Abandon)
	}
	cert := record.Certificate
	if state == keystore.StatePending {
		switch cert, err = n.complete(ctx, from, theirs); {
		case errors.Is(err, errNoKey): // it was dropped just now
			return n.withoutShare(ctx, from, e)
		case err != nil:
			return nil, err
		}
	}
	if e.Reply || cert == nil {
		return nil, nil
	}
	reply := &protocol.Endorse{Certificate: *cert, Reply: true}
	if state == keystore.StatePending {
		reply.Abandon, err = n.pledge(ctx, &record.Spec, e.Abandon)
	}
	return reply, err
}
