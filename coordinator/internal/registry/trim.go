package registry

import (
	"fmt"

	"github.com/meshmpc/mpcd/protocol"
)

// keptBytes is the largest payload and message that a session keeps in memory
// after its end.
const keptBytes = 256

// trim leaves on disk what nobody needs of a session that has ended until they
// look at this one.
func (s *Session) trim() {
	var spec protocol.Spec
	if len(s.Spec) > 0 && protocol.Unmarshal(s.Spec, &spec) == nil {
		s.Fingerprint, s.Spec = protocol.Fingerprint(&spec), nil
	}
	if len(s.Payload) > keptBytes {
		s.Payload, s.Trimmed = nil, true
	}
	if len(s.Message) > keptBytes {
		s.Message, s.Trimmed = nil, true
	}
}

// Complete returns the snapshot with Payload and Message as the session was made
// with, and with the details and evidence of its blames, from disk if they are
// not in it. It returns the snapshot as it is when the session was pruned
// meanwhile.
func (r *Registry) Complete(s *Session) (*Session, error) {
	if len(s.Blames) > 0 {
		s = s.clone()
		if err := r.completeBlames(s); err != nil {
			return nil, err
		}
	}
	if !s.Trimmed {
		return s, nil
	}
	e, ok, err := r.Event(s.Seq)
	if err != nil {
		return nil, fmt.Errorf("complete session %s: %w", s.ID, err)
	}
	if !ok || e.Session == nil {
		return s, nil
	}
	c := s.clone()
	c.Payload, c.Message, c.Trimmed = e.Session.Payload, e.Session.Message, false
	return c, nil
}
