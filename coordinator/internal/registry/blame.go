package registry

import (
	"fmt"
	"slices"

	"github.com/meshmpc/mpcd/protocol"
)

// ReasonQuarantined is why a party refuses a session with another one: it has the
// other in quarantine for the key. The reasons of failures are protocol.Reason's.
const ReasonQuarantined protocol.Reason = "quarantined"

// Blame is what one party says of another's part in a failure. Unless it is
// proven it is that party's word and no more.
type Blame struct {
	Party    protocol.PeerID `json:"party"` // who is blamed
	Reason   protocol.Reason `json:"reason"`
	Proven   bool            `json:"proven,omitempty"`   // by evidence, which the coordinator has verified
	Evidence []byte          `json:"evidence,omitempty"` // canonical CBOR of protocol.Evidence, brief; it need not be a proof
}

// Blamed is a blame as the session's state has it. What is long is on disk alone;
// see Registry.Complete.
type Blamed struct {
	Blame
	By      protocol.PeerID
	Attempt uint32
	SID     string
	Detail  string
	Seq     uint64 // of the event
}

// maxBlamed bounds the blames in a session's state: those that come first, and
// proven ones in place of others.
const maxBlamed = 64

// maxEvidence bounds, in bytes, the evidence that Complete adds to a session.
const maxEvidence = 256 << 10

// foldBlames remembers whom an event blames: a party, by another one, once for
// each attempt.
func (s *Session) foldBlames(e *Event) {
	for _, b := range e.Blames {
		b.Evidence = nil
		blamed := Blamed{Blame: b, By: e.Party, Attempt: e.Attempt, SID: e.SID, Seq: e.Seq}
		i := slices.IndexFunc(s.Blames, func(old Blamed) bool { return old.Party == b.Party && old.By == e.Party && old.SID == e.SID })
		if i < 0 && len(s.Blames) < maxBlamed {
			s.Blames = append(s.Blames, blamed)
			continue
		}
		if i < 0 && b.Proven {
			i = slices.IndexFunc(s.Blames, func(old Blamed) bool { return !old.Proven })
		}
		if i >= 0 && b.Proven && !s.Blames[i].Proven {
			s.Blames[i] = blamed
		}
	}
}

// completeBlames adds what is on disk alone.
func (r *Registry) completeBlames(s *Session) error {
	room := maxEvidence
	for i := range s.Blames {
		b := &s.Blames[i]
		e, ok, err := r.Event(b.Seq)
		if err != nil {
			return fmt.Errorf("complete session %s: %w", s.ID, err)
		}
		if !ok {
			continue
		}
		b.Detail = e.Detail
		for _, full := range e.Blames {
			if full.Party == b.Party && len(full.Evidence) <= room {
				b.Evidence = full.Evidence
				room -= len(full.Evidence)
			}
		}
	}
	return nil
}
