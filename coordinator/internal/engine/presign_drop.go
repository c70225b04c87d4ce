package engine

import (
	"slices"
	"time"

	"github.com/meshmpc/mpcd/protocol"
)

// use is a presignature that was taken to be used.
type use struct {
	*presignature
	at      time.Time
	dropped []protocol.PeerID // who has said since that it dropped it
}

const noRoomForIt = "a party has no room for it any more"

// roomOf names the pause of who has dropped what was made with it, because other coordinators need the room. A
// presigning that succeeds does not end it: the others would make the next one for nothing.
func roomOf(pause string) string { return "room/" + pause }

// dropped takes a party's word that it has dropped a presignature, to make room for other coordinators. That is
// nobody's fault: what else it holds is good, and it only rests like one that is busy. The caller holds s.mu.
func (s *stock) dropped(by protocol.PeerID, sid protocol.SID, now time.Time) {
	p, u := s.ready[sid], s.taken[sid]
	switch {
	case p != nil && p.has(by):
		s.drop(func(x *presignature) string {
			if x != p {
				return ""
			}
			return noRoomForIt
		})
	case u != nil && u.has(by) && !slices.Contains(u.dropped, by):
		u.dropped = append(u.dropped, by)
	default:
		return // it was dropped here, too
	}
	if pause := roomOf(pauseOfParty(by)); s.pausedFor(now, pause) <= 0 { // it may drop many in a moment
		s.rest(pause, now)
	}
	s.wakeUp()
}

// hasTold tells whether a party has said that it dropped a presignature, before a signing found that out. The caller
// holds s.mu.
func (s *stock) hasTold(by protocol.PeerID, p *presignature) bool {
	if p == nil {
		return false
	}
	u := s.taken[p.sid]
	return u != nil && slices.Contains(u.dropped, by)
}
