package protocol

import (
	"cmp"
	"fmt"
	"slices"
)

// inbox keeps what the other members sent. The first message for a slot wins: an
// identical one is dropped, a different one proves its signer a cheat.
type inbox struct {
	over   int   // rounds up to this one are over: they were another session's
	rounds int   // the last one
	echoes []int // rounds with a digest
	form   func(Message) error
	slots  map[Slot]*Envelope
	held   []*Envelope    // round messages that the machine has not taken yet
	bytes  map[PeerID]int // of payloads
}

// newInbox returns the inbox of a machine that has not started.
func newInbox(m Machine, echoes []int) inbox {
	return inbox{
		over: m.Round(), rounds: m.Rounds(), echoes: echoes, form: m.Form,
		slots: make(map[Slot]*Envelope), bytes: make(map[PeerID]int),
	}
}

// perMember is the most that one member sends to one other in a ceremony, in bytes.
// Key generation has 190 kB; messages of later rounds are kept until their round.
const perMember = 512 << 10

// slotOf names the place of an envelope. Only rounds' messages and digests have a name.
func slotOf(h *Header) Slot {
	if h.Type == TypeRound || h.Type == TypeDigest {
		return Slot{From: h.From, Name: string(h.Type) + " " + h.Name}
	}
	return Slot{From: h.From, Name: string(h.Type)}
}

// put stores an envelope of an admitted member, or says why it is dropped. An
// error has its author as culprit: a contradiction, or what no honest member sends.
func (b *inbox) put(e *Envelope) (dropped string, err error) {
	if dropped = b.useless(e); dropped != "" {
		return dropped, nil
	}
	h := &e.Header
	if wrong := b.malformed(h); wrong != "" {
		return "", &Blame{
			Round: h.Round, Culprits: []PeerID{h.From}, Reason: ReasonMessage, Evidence: newEvidence(ReasonMessage, e.exhibit()),
			Err: fmt.Errorf("a message %q %s", h.Type, wrong),
		}
	}
	slot := slotOf(h)
	if first, ok := b.slots[slot]; ok {
		return "", contradiction(first, e)
	}
	if h.Type == TypeRound { // names and sizes are the ceremony's from here on
		if err := b.form(e.message()); err != nil {
			return "", blameFor(e, err)
		}
	}
	b.bytes[h.From] += len(e.Payload)
	b.slots[slot] = e
	if h.Type == TypeRound {
		b.held = append(b.held, e)
	}
	return "", nil
}

// useless says why an envelope is dropped, "" if it is stored or the end of the session.
func (b *inbox) useless(e *Envelope) string {
	h := &e.Header
	first, known := b.slots[slotOf(h)]
	switch {
	case !slices.Contains(types, h.Type):
		return "of an unknown type"
	case b.malformed(h) != "":
		return ""
	case known && first.Header.Hash == h.Hash && first.Header.To == h.To:
		return "a duplicate"
	case known, h.Type == TypeAbort, b.bytes[h.From]+len(e.Payload) <= perMember:
		return ""
	case h.Type == TypeRound && b.form(e.message()) != nil:
		return ""
	}
	return "more bytes than the ceremony has"
}

var types = []Type{TypeReady, TypeRound, TypeDigest, TypeConfirm, TypeAbort}

// malformed says what is wrong with the form of a header, which no member of this
// session writes like that.
func (b *inbox) malformed(h *Header) string {
	switch {
	case h.Type == TypeRound && (h.Round < 1 || h.Round > b.rounds):
		return "of a round that does not exist"
	case h.Type == TypeRound && h.Round <= b.over:
		return "of a round that its presigning had"
	case h.Type == TypeDigest && (!slices.Contains(b.echoes, h.Round) || h.Name != digestName(h.Round) || h.To != ""):
		return "after a round that has none"
	case h.Type != TypeRound && h.Type != TypeDigest && (h.Round != 0 || h.Name != "" || h.To != ""):
		return "with a header that its type does not have"
	}
	return ""
}

// next returns a held message of the machine's round, nil if there is none; drop takes
// it out. Of earlier rounds none is held: a round ends when everything that it has was taken.
func (b *inbox) next(m Machine) *Envelope {
	i := slices.IndexFunc(b.held, func(e *Envelope) bool { return e.Header.Round <= m.Round() })
	if i < 0 {
		return nil
	}
	return b.held[i]
}

// release forgets what a session that has failed will not look at any more.
func (b *inbox) release() {
	b.held = nil
	for _, e := range b.slots {
		if e.Header.Type == TypeRound || e.Header.Type == TypeDigest {
			e.Payload = nil
		}
	}
}

func (b *inbox) drop(e *Envelope) {
	i := slices.Index(b.held, e)
	b.held = slices.Delete(b.held, i, i+1)
}

// get returns a member's message of a type without name.
func (b *inbox) get(from PeerID, t Type) *Envelope { return b.slots[Slot{From: from, Name: string(t)}] }

// digest returns a member's echo of a round.
func (b *inbox) digest(from PeerID, round int) *Envelope {
	return b.slots[slotOf(&Header{From: from, Type: TypeDigest, Name: digestName(round)})]
}

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
	header    Header
	signature []byte
	data      []byte
}

func (s *sentEnvelope) have() Have { return Have{Type: s.header.Type, Name: s.header.Name} }

// send seals one message and returns it as an Output.
func (b *outbox) send(h Header, payload []byte) (Output, error) {
	b.seq++
	h.SID, h.Seq = b.sid, b.seq
	e := Seal(b.signer, h, payload)
	data, err := e.Encode()
	if err != nil {
		return Output{}, err
	}
	b.sent = append(b.sent, sentEnvelope{header: e.Header, signature: e.Signature, data: data})
	if h.To == "" {
		return Output{Broadcast: [][]byte{data}}, nil
	}
	return Output{Direct: []Direct{{To: h.To, Envelope: data}}}, nil
}

// sentType reports whether a message of a type without name was sent.
func (b *outbox) sentType(t Type) bool {
	return slices.ContainsFunc(b.sent, func(s sentEnvelope) bool { return s.header.Type == t })
}

// Sent is how many bytes of its own envelopes a session keeps, for pulls.
func (s *Session) Sent() (n int) {
	for i := range s.out.sent {
		n += len(s.out.sent[i].data)
	}
	return n
}

// missing returns what was sent to everyone or to peer and is not in have.
func (b *outbox) missing(peer PeerID, have []Have) [][]byte {
	var lacks [][]byte
	for i := range b.sent {
		s := &b.sent[i]
		if (s.header.To == "" || s.header.To == peer) && !slices.Contains(have, s.have()) {
			lacks = append(lacks, s.data)
		}
	}
	return lacks
}
