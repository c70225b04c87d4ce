package protocol

import "errors"

// errRetired is the failure of a session that was given up without a word.
var errRetired = errors.New("the session has ended")

// Retire ends a session for good and forgets its secrets and everything else but what
// the members may still pull (Answer). It is called once nothing more is asked of the
// session; a machine that holds a presignature lives on with its owner.
func (s *Session) Retire() {
	if !s.over() && s.failed == nil {
		s.phase, s.failed = PhaseFailed, errRetired
	}
	s.cfg.Machine, s.cfg.Contribution = nil, nil
	s.in, s.echo = inbox{}, echo{}
	s.cert, s.key = nil, KeyRecord{}
}

// Silence gives a session up without a word: nothing that it has made may leave this
// member any more, to pulls neither, because what keeps the same session from beginning
// again is not on disk.
func (s *Session) Silence() {
	if !s.over() && s.failed == nil {
		s.phase, s.failed = PhaseFailed, errRetired
	}
	s.out.sent, s.silent = nil, true
}
