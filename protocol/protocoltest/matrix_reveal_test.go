package protocoltest_test

import (
	"github.com/meshmpc/mpcd/protocol"
	"github.com/meshmpc/mpcd/protocol/protocoltest"
)

// What mallory tells one member otherwise than the others may look as good as the truth. It
// shows by the first digest that has another hash than the receiver's, or when mallory
// opens a commitment that it has not made to this member: from there hops are counted.

// tells keeps what a member was told first for each place, and marks what opens a
// commitment that the member was told otherwise.
func (m *mallory) tells(p *protocoltest.Parcel) {
	var e protocol.Envelope
	if err := protocol.Unmarshal(p.Data, &e); err != nil {
		return // damaged
	}
	if m.told == nil {
		m.told = make(map[protocol.PeerID]map[protocol.Slot][32]byte)
	}
	to := m.told[p.To]
	if to == nil {
		to = make(map[protocol.Slot][32]byte)
		m.told[p.To] = to
	}
	slot := said(e.Header.From, e.Header.Type, e.Header.Name)
	if _, known := to[slot]; !known {
		to[slot] = e.Header.Hash
	}
	if commitment := m.target.in.commitment(e.Header.Name); e.Header.Type == protocol.TypeRound && commitment != "" {
		p.Shows = m.lied(p.To, said(m.ID(), protocol.TypeRound, commitment))
	}
}

// commitment is the message of this ceremony that commits to what another one opens, empty if
// there is none.
func (c *ceremony) commitment(opening string) string {
	name := commitments[opening]
	for _, t := range c.targets {
		if t.name == name {
			return name
		}
	}
	return ""
}

// lied tells whether a member was told otherwise than mallory's session has said.
func (m *mallory) lied(to protocol.PeerID, slot protocol.Slot) bool {
	told, known := m.told[to][slot]
	return known && told != m.said[slot]
}

// betrays tells whether a digest of an honest member shows its receiver that mallory has
// told the two of them different things.
func (m *mallory) betrays(to protocol.PeerID, e *protocol.Envelope) bool {
	if e.Header.Type != protocol.TypeDigest {
		return false
	}
	var d protocol.Digest
	if err := protocol.Unmarshal(e.Payload, &d); err != nil {
		return false // its receiver says so
	}
	for i := range d.Heard {
		h := &d.Heard[i]
		told, known := m.told[to][said(h.From, h.Type, h.Name)]
		if h.From == m.ID() && known && told != h.Hash {
			return true
		}
	}
	return false
}
