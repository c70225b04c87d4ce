package tss

import (
	"google.golang.org/protobuf/proto"
)

// Size caps of message bodies, in bytes.
const (
	limitSign     = 8 << 10   // every signing message; the largest has 7 kB
	limitRound1   = 160 << 10 // ECDSA KGRound1Message: two DLN proofs, 134 kB
	limitDecommit = 64 << 10  // ECDSA KGRound2Message2: the modulus proof, 42 kB
	limitKeygen   = 16 << 10  // all others
)

// typeURLRoot begins the type of a protobuf Any.
const typeURLRoot = "type.googleapis.com/"

// messageType is one kind of message of a ceremony: the row of its table.
type messageType struct {
	content proto.Message // a nil pointer of the library's type
	round   int
	direct  bool // confidential, for one recipient; otherwise a broadcast
	limit   int  // bytes of the body

	name string // short protobuf name: the protocol.Message.Name
	url  string // of the protobuf Any on the wire
}

// ceremony is the table of a protocol: which messages exist, in which rounds.
// Every member sends one of each broadcast type, and one of each direct type to
// every other member.
type ceremony struct {
	types  []*messageType
	rounds int
	echoes []int // rounds whose last message waits until all members agree on the broadcasts
	byName map[string]*messageType
}

// echoAfter says after which rounds the members agree.
func (c *ceremony) echoAfter(rounds ...int) *ceremony {
	c.echoes = rounds
	return c
}

// newCeremony completes a table whose rows are in the order of their rounds.
func newCeremony(rows ...messageType) *ceremony {
	c := &ceremony{byName: make(map[string]*messageType, len(rows))}
	for _, row := range rows {
		t := &row
		d := t.content.ProtoReflect().Descriptor()
		t.name, t.url = string(d.Name()), typeURLRoot+string(d.FullName())
		c.types = append(c.types, t)
		c.byName[t.name] = t
		c.rounds = t.round
	}
	return c
}

// inRound returns the types of a round.
func (c *ceremony) inRound(round int) []*messageType {
	var types []*messageType
	for _, t := range c.types {
		if t.round == round {
			types = append(types, t)
		}
	}
	return types
}
