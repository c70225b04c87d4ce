package protocol

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Digest is the payload of an echo: everything that a member has heard broadcast
// since its previous echo, with the senders' signatures. A ceremony goes on only
// when all members have heard the same (Machine.Echoes). So a member that tells two
// others two things is found before it gains from it, and the two digests prove it.
type Digest struct {
	Heard []Heard `cbor:"1,keyasint"` // in the order of sender, type and name
}

// Heard is one broadcast that a member has heard: what is not said of its header
// follows from the session.
type Heard struct {
	From      PeerID   `cbor:"1,keyasint"`
	Type      Type     `cbor:"2,keyasint"`
	Round     int      `cbor:"3,keyasint"`
	Name      string   `cbor:"4,keyasint"`
	Seq       uint32   `cbor:"5,keyasint"`
	Hash      [32]byte `cbor:"6,keyasint"`
	Signature []byte   `cbor:"7,keyasint"`
}

var errDigest = errors.New("not the digest of a member's broadcasts")

func decodeDigest(payload []byte) (*Digest, error) {
	var d Digest
	if err := Unmarshal(payload, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", errDigest, err)
	}
	return &d, nil
}

func (h *Heard) header(sid SID) Header {
	return Header{Version: EnvelopeVersion, SID: sid, From: h.From, Type: h.Type, Round: h.Round, Name: h.Name, Seq: h.Seq, Hash: h.Hash}
}

// signed tells whether its sender has signed what is claimed of it.
func (h *Heard) signed(sid SID, verify Verifier) bool {
	return verify(h.From, h.header(sid).signed(), h.Signature)
}

func heard(h *Header, signature []byte) Heard {
	return Heard{From: h.From, Type: h.Type, Round: h.Round, Name: h.Name, Seq: h.Seq, Hash: h.Hash, Signature: signature}
}

// slot is what two views of one broadcast have in common.
func (h *Heard) slot() Slot { return Slot{From: h.From, Name: string(h.Type) + " " + h.Name} }

func compareHeard(a, b Heard) int {
	return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
}

// digestName is the name of an echo's envelope, after the round that it closes.
func digestName(round int) string { return strconv.Itoa(round) }

// echo is the gate before a round's last message is delivered.
type echo struct {
	rounds []int // that still have to be agreed on; nil in a session of two
	from   int   // the first round that the next digest covers
	sent   bool  // the digest for rounds[0]
	agreed map[PeerID]bool
}

// newEcho returns the gates of a session. Between two members there are none:
// a broadcast that has one receiver cannot be different for another.
func newEcho(m Machine, members int) echo {
	if members <= 2 {
		return echo{}
	}
	return echo{rounds: m.Echoes(), agreed: make(map[PeerID]bool)}
}

// gated tells whether the members have yet to agree on the machine's round.
func (s *Session) gated() bool {
	return len(s.echo.rounds) > 0 && s.echo.rounds[0] == s.cfg.Machine.Round()
}

// agree sends this member's digest for the machine's round, of which all messages are here, and
// compares all others with it. It reports whether all have come and match.
func (s *Session) agree() (out Output, agreed bool, err error) {
	round := s.echo.rounds[0]
	mine := s.heard(round)
	if !s.echo.sent {
		s.echo.sent = true
		payload, err := Marshal(Digest{Heard: slices.DeleteFunc(slices.Clone(mine), func(h Heard) bool { return h.From == s.cfg.Signer.ID() })})
		if err != nil {
			return out, false, err
		}
		if out, err = s.out.send(Header{Type: TypeDigest, Round: round, Name: digestName(round)}, payload); err != nil {
			return out, false, err
		}
	}
	for _, peer := range s.others {
		e := s.in.digest(peer, round)
		if e == nil || s.echo.agreed[peer] {
			continue
		}
		if err := s.compare(e, mine); err != nil {
			return out, false, err
		}
		s.echo.agreed[peer], e.Payload = true, nil
	}
	if len(s.echo.agreed) < len(s.others) {
		return out, false, nil
	}
	s.echo = echo{rounds: s.echo.rounds[1:], from: round + 1, agreed: make(map[PeerID]bool)}
	return out, true, nil
}

// echoMissing lists the members whose digest has not come.
func (s *Session) echoMissing() []PeerID {
	var missing []PeerID
	for _, peer := range s.others {
		if s.in.digest(peer, s.echo.rounds[0]) == nil {
			missing = append(missing, peer)
		}
	}
	return missing
}

// heard lists all broadcasts up to round that no earlier digest covers, this
// member's own among them: all that the ceremony has (Machine.Form), for the last one is here.
func (s *Session) heard(round int) []Heard {
	var list []Heard
	covers := func(h *Header) bool {
		return h.To == "" && (h.Type == TypeRound && s.echo.from <= h.Round && h.Round <= round || h.Type == TypeReady && s.echo.from == 0)
	}
	for _, e := range s.in.slots {
		if covers(&e.Header) {
			list = append(list, heard(&e.Header, e.Signature))
		}
	}
	for i := range s.out.sent {
		if sent := &s.out.sent[i]; covers(&sent.header) {
			list = append(list, heard(&sent.header, sent.signature))
		}
	}
	slices.SortFunc(list, compareHeard)
	return list
}

// compare holds a member's digest against what this one has heard and said.
func (s *Session) compare(e *Envelope, mine []Heard) error {
	by := e.Header.From
	d, err := decodeDigest(e.Payload)
	if err != nil {
		return s.falseDigest(e, err)
	}
	want := slices.DeleteFunc(slices.Clone(mine), func(h Heard) bool { return h.From == by })
	same := slices.EqualFunc(want, d.Heard, func(a, b Heard) bool { return a.slot() == b.slot() })
	if !same {
		return s.falseDigest(e, fmt.Errorf("%w: it covers other messages than those of the round", errDigest))
	}
	for i := range want {
		theirs := &d.Heard[i]
		if theirs.Hash == want[i].Hash {
			continue
		}
		if !theirs.signed(s.sid, s.cfg.Verify) {
			return s.falseDigest(e, fmt.Errorf("%w: %s did not sign what it claims", errDigest, theirs.From))
		}
		return s.equivocation(&want[i], theirs)
	}
	return nil
}

// falseDigest blames the author of a digest.
func (s *Session) falseDigest(e *Envelope, err error) error {
	x := e.exhibit()
	x.Payload = bytes.Clone(e.Payload)
	return &Blame{
		Round: e.Header.Round, Culprits: []PeerID{e.Header.From}, Reason: ReasonFalseDigest,
		Evidence: newEvidence(ReasonFalseDigest, x), Err: err,
	}
}

// equivocation blames who told two members two things.
func (s *Session) equivocation(mine, theirs *Heard) error {
	if mine.From == s.cfg.Signer.ID() {
		return &Blame{
			Round: mine.Round, Reason: ReasonUnattributed,
			Err: fmt.Errorf("somebody else signs with this node's key: %w; stop one of the two", errIdentityTwice),
		}
	}
	a := &Envelope{Header: mine.header(s.sid), Signature: mine.Signature}
	b := &Envelope{Header: theirs.header(s.sid), Signature: theirs.Signature}
	return contradiction(a, b)
}

var errIdentityTwice = errors.New("this identity runs twice")
