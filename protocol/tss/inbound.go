package tss

import (
	"fmt"
	"slices"

	tsslib "github.com/bnb-chain/tss-lib/v2/tss"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshmpc/mpcd/protocol"
)

// admit decides whether a message may reach the library and returns its place in
// m.waiting and its parsed form. It changes nothing but what the guard knows.
//
// Errors are of two kinds: ErrDelivery is the caller's, who had to deliver in
// order, once, and only what is for this party; a protocol.Blame is the sender's,
// who signed something that the ceremony does not have, or whose numbers the
// guard refuses.
func (m *machine) admit(msg *protocol.Message) (slot int, parsed tsslib.ParsedMessage, err error) {
	from := m.roster.by[msg.From]
	if from == nil || from.Index == m.roster.self {
		return 0, nil, fmt.Errorf("%w: %q is not another member", ErrDelivery, msg.From)
	}
	if msg.To != "" && msg.To != m.roster.selfPeer() {
		return 0, nil, fmt.Errorf("%w: it is for %s", ErrDelivery, msg.To)
	}
	t, err := m.row(msg)
	switch {
	case err != nil:
		return 0, nil, err
	case t.round > m.round:
		return 0, nil, fmt.Errorf("%w: %s in round %d", ErrDelivery, t.name, m.round)
	}
	slot = slices.Index(m.waiting, protocol.Slot{From: msg.From, Name: t.name})
	if slot < 0 {
		return 0, nil, m.second(msg, t)
	}
	parsed, err = m.parse(t, msg, from)
	if err != nil {
		return 0, nil, err
	}
	if err := m.inspect(msg, from.Index, parsed.Content()); err != nil {
		return 0, nil, err
	}
	return slot, parsed, nil
}

// row finds a message's row in the table, which says where it belongs and how large it
// may be.
func (m *machine) row(msg *protocol.Message) (*messageType, error) {
	t := m.ceremony.byName[msg.Name]
	switch {
	case t == nil:
		return nil, m.blameSender(msg, "the ceremony has no %.40q", msg.Name)
	case t.round != msg.Round:
		return nil, m.blameSender(msg, "%s belongs to round %d, not %d", t.name, t.round, msg.Round)
	case t.direct != (msg.To != ""):
		return nil, m.blameSender(msg, "%s came by the wrong way (direct: %v)", t.name, msg.To != "")
	case len(msg.Body) > t.limit:
		return nil, m.blameSender(msg, "%s has %d bytes, more than %d", t.name, len(msg.Body), t.limit)
	}
	return t, nil
}

// parse reads a message of a row; what cannot be read is its sender's fault.
func (m *machine) parse(t *messageType, msg *protocol.Message, from *tsslib.PartyID) (tsslib.ParsedMessage, error) {
	parsed, err := t.parse(msg.Body, from)
	if err != nil {
		return nil, m.blameSender(msg, "%s: %w", t.name, err)
	}
	return parsed, nil
}

// Form implements protocol.Machine. The numbers in a message are for its round: what the
// guard compares them with may not be known before.
func (m *machine) Form(msg protocol.Message) error {
	from := m.roster.by[msg.From]
	if from == nil {
		return fmt.Errorf("%w: %q is not a member", ErrDelivery, msg.From)
	}
	t, err := m.row(&msg)
	if err != nil {
		return err
	}
	_, err = m.parse(t, &msg, from)
	return err
}

// parse reads the library's wire form, a protobuf Any, as tsslib.ParseWireMessage
// does, but only as this type. The encoded content is not kept.
func (t *messageType) parse(body []byte, from *tsslib.PartyID) (tsslib.ParsedMessage, error) {
	var wire anypb.Any
	if err := proto.Unmarshal(body, &wire); err != nil {
		return nil, err
	}
	if wire.GetTypeUrl() != t.url || len(wire.ProtoReflect().GetUnknown()) > 0 {
		return nil, fmt.Errorf("the content is a %.80q", wire.GetTypeUrl())
	}
	content, ok := t.content.ProtoReflect().New().Interface().(tsslib.MessageContent)
	if !ok {
		return nil, fmt.Errorf("the library has no such message")
	}
	if err := proto.Unmarshal(wire.GetValue(), content); err != nil {
		return nil, err
	}
	if len(content.ProtoReflect().GetUnknown()) > 0 {
		return nil, fmt.Errorf("it has unknown fields")
	}
	if !content.ValidateBasic() {
		return nil, fmt.Errorf("a field is missing or has the wrong number of parts")
	}
	routing := tsslib.MessageRouting{From: from, IsBroadcast: !t.direct}
	return tsslib.NewMessage(routing, content, &tsslib.MessageWrapper{
		From: from.MessageWrapper_PartyID, IsBroadcast: !t.direct,
	}), nil
}
