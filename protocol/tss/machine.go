package tss

import (
	"crypto/sha256"
	"errors"
	"fmt"

	tsslib "github.com/bnb-chain/tss-lib/v2/tss"

	"github.com/meshmpc/mpcd/protocol"
)

// machine drives one party of the library through one ceremony; it implements
// protocol.Machine for all of them.
//
// The library sends on channels from the goroutine that calls Start or Update, and
// the goroutines it starts end before that call returns. So with a channel that
// holds everything one call can send, drained after each call, a party is a step
// machine.
type machine struct {
	ceremony *ceremony
	roster   *roster
	runner   runner
	out      chan tsslib.Message

	round   int // being collected; 0 before Start
	waiting []protocol.Slot
	// accepted holds the hash of every message that was admitted, by its slot.
	accepted map[protocol.Slot][sha256.Size]byte
	ended    bool
}

// outCapacity holds what a party can send in one call: a message to everyone
// else and a few broadcasts. The whole ceremony would fit.
func outCapacity(parties int) int { return 2*parties + 10 }

func newMachine(c *ceremony, r *roster) *machine {
	return &machine{
		ceremony: c,
		roster:   r,
		out:      make(chan tsslib.Message, outCapacity(len(r.ids))),
		accepted: map[protocol.Slot][sha256.Size]byte{},
	}
}

// Start implements protocol.Machine.
func (m *machine) Start() (protocol.Step, error) {
	switch {
	case m.ended:
		return protocol.Step{}, ErrDead
	case m.round != 0:
		return protocol.Step{}, m.end(fmt.Errorf("%w: it has started", ErrDelivery))
	}
	m.enter(1)
	if err := m.call(m.runner.party.Start); err != nil {
		return protocol.Step{}, m.end(err)
	}
	return m.finishStep(false)
}

// Step implements protocol.Machine.
func (m *machine) Step(msg protocol.Message) (protocol.Step, error) {
	if m.ended {
		return protocol.Step{}, ErrDead
	}
	slot, parsed, err := m.admit(&msg)
	if err != nil {
		return protocol.Step{}, m.end(err)
	}
	m.accept(slot, &msg)
	return m.give(parsed, slot)
}

// give hands an admitted message to the library; slot is its place in m.waiting.
func (m *machine) give(parsed tsslib.ParsedMessage, slot int) (protocol.Step, error) {
	update := func() *tsslib.Error {
		ok, err := m.runner.party.Update(parsed)
		if err == nil && !ok {
			return m.runner.party.WrapError(errors.New("the library ignored the message"))
		}
		return err
	}
	if err := m.call(update); err != nil {
		return protocol.Step{}, m.end(err)
	}
	m.waiting = append(m.waiting[:slot], m.waiting[slot+1:]...)
	return m.finishStep(len(m.waiting) == 0)
}

// Round implements protocol.Machine; it is 0 before Start.
func (m *machine) Round() int { return m.round }

// Rounds implements protocol.Machine.
func (m *machine) Rounds() int { return m.ceremony.rounds }

// Echoes implements protocol.Machine: the last message before shares leave
// (keygen), before the nonce is opened and before a part of the signature leaves.
func (m *machine) Echoes() []int { return m.ceremony.echoes }

// Waiting implements protocol.Machine. It goes by the library's order of the
// parties and, for each, by the table's order of the types.
func (m *machine) Waiting() []protocol.Slot {
	if m.ended {
		return nil
	}
	return append([]protocol.Slot(nil), m.waiting...)
}

// enter begins to collect a round.
func (m *machine) enter(round int) {
	m.round = round
	m.waiting = m.waiting[:0]
	for i, id := range m.roster.ids {
		if i == m.roster.self {
			continue
		}
		for _, t := range m.ceremony.inRound(round) {
			m.waiting = append(m.waiting, protocol.Slot{From: id.Id, Name: t.name})
		}
	}
}

// finishStep gathers what the library sent and moves to the next round when this
// one is complete. The library moves in the same call; that it did is checked by
// what it sent, for our round numbers rely on it.
func (m *machine) finishStep(complete bool) (protocol.Step, error) {
	sent, err := m.drain()
	if err != nil {
		return protocol.Step{}, m.end(err)
	}
	var result *protocol.Result
	err = m.protect(func() (err error) {
		if result, err = m.runner.outcome(); err != nil {
			return m.blame(err)
		}
		return nil
	})
	if err != nil {
		return protocol.Step{}, m.end(err)
	}
	last := complete && m.round == m.ceremony.rounds
	if (result != nil) != last {
		return protocol.Step{}, m.end(m.blame(fmt.Errorf("%w: the library is not in round %d", ErrAborted, m.round)))
	}
	if last {
		m.drop()
		return protocol.Step{Send: sent, Result: result}, nil
	}
	if complete {
		m.enter(m.round + 1)
	}
	for i := range sent {
		if sent[i].Round != m.round {
			err := fmt.Errorf("%w: the library sent %s in round %d", ErrAborted, sent[i].Name, m.round)
			return protocol.Step{}, m.end(m.blame(err))
		}
	}
	return protocol.Step{Send: sent}, nil
}

// drain takes what the library sent during the last call.
func (m *machine) drain() ([]protocol.Message, error) {
	var sent []protocol.Message
	for {
		select {
		case out := <-m.out:
			msg, err := m.outbound(out)
			if err != nil {
				return nil, m.blame(err)
			}
			sent = append(sent, msg)
		default:
			return sent, nil
		}
	}
}

// outbound turns a message of the library into ours.
func (m *machine) outbound(out tsslib.Message) (protocol.Message, error) {
	if parsed, ok := out.(tsslib.ParsedMessage); ok {
		m.runner.guard.sent(parsed.Content())
	}
	body, routing, err := out.WireBytes()
	if err != nil {
		return protocol.Message{}, fmt.Errorf("%w: encoding %s: %w", ErrAborted, out.Type(), err)
	}
	// The library keeps the message for itself; without this it would keep the
	// encoded form too.
	wire := out.WireMsg()
	name := wire.Message.MessageName().Name()
	wire.Message = nil

	t := m.ceremony.byName[string(name)]
	if t == nil || len(body) > t.limit || t.direct == routing.IsBroadcast || t.direct != (len(routing.To) == 1) {
		return protocol.Message{}, fmt.Errorf("%w: the library sent a %s of %d bytes that its table does not allow",
			ErrAborted, out.Type(), len(body))
	}
	msg := protocol.Message{Round: t.round, Name: t.name, From: m.roster.selfPeer(), Body: body}
	if t.direct {
		msg.To = m.roster.peer(routing.To[0])
	}
	return msg, nil
}

// end marks the machine as dead, with the error that killed it.
func (m *machine) end(err error) error {
	m.drop()
	return err
}

// drop lets go of the library's party: after a panic its lock stays held, and
// after the end its secrets are of no use.
func (m *machine) drop() {
	m.ended = true
	m.runner = runner{}
	m.out = nil
	m.waiting = nil
	m.accepted = nil
}
