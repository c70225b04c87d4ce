package protocol

import (
	"cmp"
	"fmt"
	"slices"
)

// inbox keeps what the other members sent. The first message for a slot wins: an
// identical one is dropped, a different one proves its signer a cheat.
type inbox struct {
	rounds int
	slots  map[Slot]*Envelope
	held   []*Envelope // round messages that the machine has not taken yet
	count  map[PeerID]int
}

func newInbox(rounds int) inbox {
	return inbox{rounds: rounds, slots: make(map[Slot]*Envelope), count: make(map[PeerID]int)}
}

// perRound is the most messages that one member sends to one other in a round.
const perRound = 2

// slotOf names the place of an envelope. Only round messages have a name.
func slotOf(h *Header) Slot {
	if h.Type == TypeRound {
		return Slot{From: h.From, Name: string(TypeRound) + " " + h.Name}
	}
	return Slot{From: h.From, Name: string(h.Type)}
}

// put stores an envelope of an admitted member, or says why it is dropped. An
// error is a contradiction, with its author as culprit.
func (b *inbox) put(e *Envelope) (dropped string, err error) {
	h := &e.Header
	if reason := b.malformed(h); reason != "" {
		return reason, nil
	}
	slot := slotOf(h)
	if first, ok := b.slots[slot]; ok {
		if first.Header.Hash == h.Hash && first.Header.To == h.To {
			return "a duplicate", nil
		}
		return "", &Blame{Round: h.Round, Culprits: []PeerID{h.From}, Err: fmt.Errorf("two different messages %q of one sender", slot.Name)}
	}
	if h.Type == TypeRound && b.count[h.From] >= perRound*b.rounds {
		return "more messages than the ceremony has", nil
	}
	b.slots[slot] = e
	if h.Type == TypeRound {
		b.count[h.From]++
		b.held = append(b.held, e)
	}
	return "", nil
}

// malformed says what is wrong with the form of a header. It is asked before the
// header's slot is looked at, so that no unknown type can pass for a known slot.
func (b *inbox) malformed(h *Header) string {
	switch {
	case h.Type != TypeRound && h.Type != TypeReady && h.Type != TypeConfirm && h.Type != TypeAbort:
		return "of an unknown type"
	case h.Type == TypeRound && (h.Round < 1 || h.Round > b.rounds):
		return "of a round that does not exist"
	case h.Type != TypeRound && (h.Round != 0 || h.Name != "" || h.To != ""):
		return "with a header that its type does not have"
	}
	return ""
}

// next takes out a held message of the lowest round up to round.
func (b *inbox) next(round int) *Envelope {
	best := -1
	for i, e := range b.held {
		if e.Header.Round <= round && (best < 0 || e.Header.Round < b.held[best].Header.Round) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	e := b.held[best]
	b.held = slices.Delete(b.held, best, best+1)
	return e
}

// get returns a member's message of a type without name.
func (b *inbox) get(from PeerID, t Type) *Envelope { return b.slots[Slot{From: from, Name: string(t)}] }

// without lists the peers that have not sent a message of type t.
func (b *inbox) without(peers []PeerID, t Type) []PeerID {
	var missing []PeerID
	for _, p := range peers {
		if b.get(p, t) == nil {
			missing = append(missing, p)
		}
	}
	return missing
}

// have lists what peer has sent, in a stable order.
func (b *inbox) have(peer PeerID) []Have {
	var have []Have
	for slot, e := range b.slots {
		if slot.From == peer {
			have = append(have, Have{Type: e.Header.Type, Name: e.Header.Name})
		}
	}
	slices.SortFunc(have, func(a, b Have) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return have
}

// outbox seals what this party sends and keeps it for members that ask again.
type outbox struct {
	signer Signer
	sid    SID
	seq    uint32
	sent   []sentEnvelope
}

type sentEnvelope struct {
	have Have
	to   PeerID
	data []byte
}

// send seals one message and returns it as an Output.
func (b *outbox) send(h Header, payload []byte) (Output, error) {
	b.seq++
	h.SID, h.Seq = b.sid, b.seq
	e := Seal(b.signer, h, payload)
	data, err := e.Encode()
	if err != nil {
		return Output{}, err
	}
	b.sent = append(b.sent, sentEnvelope{have: Have{Type: h.Type, Name: h.Name}, to: h.To, data: data})
	if h.To == "" {
		return Output{Broadcast: [][]byte{data}}, nil
	}
	return Output{Direct: []Direct{{To: h.To, Envelope: data}}}, nil
}

// sentType reports whether a message of a type without name was sent.
func (b *outbox) sentType(t Type) bool {
	return slices.ContainsFunc(b.sent, func(s sentEnvelope) bool { return s.have.Type == t })
}

// missing returns what was sent to everyone or to peer and is not in have.
func (b *outbox) missing(peer PeerID, have []Have) [][]byte {
	var lacks [][]byte
	for _, s := range b.sent {
		if (s.to == "" || s.to == peer) && !slices.Contains(have, s.have) {
			lacks = append(lacks, s.data)
		}
	}
	return lacks
}
