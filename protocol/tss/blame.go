package tss

import (
	"errors"
	"fmt"

	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
)

// call runs the library on this goroutine and turns its error or panic into a
// protocol.Blame. A panic in a goroutine of the library cannot be caught here.
func (m *machine) call(f func() *tsslib.Error) error {
	return m.protect(func() error {
		failure := f()
		if failure == nil {
			return nil
		}
		// Only the cause: the library's own text repeats the parties.
		return m.blame(fmt.Errorf("%w: %w", ErrAborted, causeOf(failure)), failure.Culprits()...)
	})
}

// protect turns a panic of f into an error.
func (m *machine) protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = m.blame(fmt.Errorf("%w: %v", ErrPanic, p))
		}
	}()
	return f()
}

// causeOf returns the cause, which some of the library's errors do not have.
func causeOf(e *tsslib.Error) error {
	if c := e.Cause(); c != nil {
		return c
	}
	return fmt.Errorf("the library gives no reason")
}

// blame names the culprits of a failure in the current round. The library names
// this party itself where it only knows that the numbers do not match ("U doesn't
// equal T"), and an honest party knows that it is not at fault: then nobody is
// blamed. It names some culprits twice.
func (m *machine) blame(err error, culprits ...*tsslib.PartyID) error {
	b := &protocol.Blame{Round: m.round, Reason: protocol.ReasonUnattributed, Err: err}
	seen := map[protocol.PeerID]bool{"": true, m.roster.selfPeer(): true}
	for _, id := range culprits {
		if peer := m.roster.peer(id); !seen[peer] {
			seen[peer] = true
			b.Culprits = append(b.Culprits, peer)
		}
	}
	switch {
	case len(b.Culprits) > 0:
		b.Reason = protocol.ReasonProof
	case errors.Is(err, ErrPanic):
		b.Reason = protocol.ReasonPanic
	}
	return b
}

// blameSender blames who sent a message that the ceremony does not have.
func (m *machine) blameSender(msg *protocol.Message, format string, args ...any) error {
	return m.blameFor(protocol.ReasonMessage, msg, fmt.Errorf(format, args...))
}

// blameFor blames who sent a message.
func (m *machine) blameFor(reason protocol.Reason, msg *protocol.Message, err error) error {
	return &protocol.Blame{
		Round:    msg.Round,
		Culprits: []protocol.PeerID{msg.From},
		Reason:   reason,
		Err:      fmt.Errorf("%w: %w", ErrMessage, err),
	}
}
