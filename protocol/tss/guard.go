package tss

import (
	"crypto/sha256"
	"errors"
	"fmt"

	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
)

// guard checks the numbers inside each message before the library sees them.
//
// The library (v2.0.2) trusts its senders too far: numbers that it never compares
// with a bound make its proofs prove nothing, make it panic, on goroutines of its
// own too, which ends the process, or make it fail rounds later and blame whoever
// noticed. A guard knows all bounds, so that a bad message ends the ceremony on
// arrival, with its sender as the culprit. It does not verify proofs that the
// library verifies well and attributes rightly.
//
// A guard belongs to one machine, which calls it in the order of the rounds with
// at most one message of each slot. After an error it is not called again.
type guard interface {
	// check tells what is wrong with a message of the party with this index in the
	// library's order, and keeps what later checks compare with. The error is the
	// sender's fault unless it is a *verdict.
	check(from int, content tsslib.MessageContent) error
	// sent sees what this party sends.
	sent(content tsslib.MessageContent)
}

// verdict is a violation for which the sender alone cannot be blamed: several
// parties are at fault, or one of several and nobody can tell which.
type verdict struct {
	culprits []int // indices in the library's order; none: unattributed
	err      error
}

func (v *verdict) Error() string { return v.err.Error() }

func (v *verdict) Unwrap() error { return v.err }

// errNoGuard ends a ceremony rather than let an unguarded type pass. The tables
// and the guards are tested to agree.
var errNoGuard = errors.New("no guard knows this type of message")

// inspect runs the guard on a parsed message. A panic in it would be a mistake of
// ours, so it is nobody's fault; it ends the ceremony and not the process.
func (m *machine) inspect(msg *protocol.Message, from int, content tsslib.MessageContent) error {
	return m.protect(func() error {
		err := m.runner.guard.check(from, content)
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%s: %w", msg.Name, err)
		var v *verdict
		if !errors.As(err, &v) {
			return m.blameFor(valueOrProof(err), msg, err)
		}
		culprits := make([]*tsslib.PartyID, len(v.culprits))
		for i, index := range v.culprits {
			culprits[i] = m.roster.ids[index]
		}
		return m.blame(fmt.Errorf("%w: %w", ErrMessage, err), culprits...)
	})
}

// valueOrProof tells numbers outside of their bounds from those that do not open
// or satisfy what was committed to.
func valueOrProof(err error) protocol.Reason {
	for _, e := range []error{errOpening, errShare, errPartial} {
		if errors.Is(err, e) {
			return protocol.ReasonProof
		}
	}
	return protocol.ReasonValue
}

// second judges a message whose slot is not being waited for. The library would
// let it replace the first one, even after others have answered that: a
// party that has seen the openings of round 8 could change its commitment of
// round 7. So the first write wins, and a second one that differs is a
// contradiction of its sender.
func (m *machine) second(msg *protocol.Message, t *messageType) error {
	first, seen := m.accepted[protocol.Slot{From: msg.From, Name: t.name}]
	if seen && first != sha256.Sum256(msg.Body) {
		return &protocol.Blame{
			Round:    t.round,
			Culprits: []protocol.PeerID{msg.From},
			Reason:   protocol.ReasonContradiction,
			Err:      fmt.Errorf("%w: a second %s that contradicts the first", ErrMessage, t.name),
		}
	}
	return fmt.Errorf("%w: a second %s of %s", ErrDelivery, t.name, msg.From)
}

// accept remembers an admitted message.
func (m *machine) accept(slot int, msg *protocol.Message) {
	m.accepted[m.waiting[slot]] = sha256.Sum256(msg.Body)
}
