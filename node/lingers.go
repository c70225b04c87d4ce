package node

import "time"

// Bounds of what is kept of ended sessions, apart from linger. At hundreds of signings a
// second those of the last ten seconds fit: a member that lacks the last message of one
// pulls after one second, and again after three.
const (
	lingerBytes  = 64 << 20
	lingerCost   = 8 << 10 // bytes that a session takes on top of its envelopes and its payload
	maxStillborn = 128
)

// lingering is what has ended, the oldest first. Sessions answer the pulls of members that
// are behind. Those that never began, such as refused ones, only repeat what was said to
// their coordinators: they are apart, so that no coordinator can push out the others'
// sessions with proposals that make no sense.
type lingering struct {
	ended, stillborn []ended
	bytes            int // of ended
}

// ended is a session that is over, and about how many bytes it takes.
type ended struct {
	*ceremony
	bytes int
}

// add keeps a session that is over.
func (l *lingering) add(c *ceremony) {
	if c.session == nil {
		l.stillborn = append(l.stillborn, ended{ceremony: c})
		return
	}
	e := ended{c, c.session.Sent() + len(c.spec.Payload) + lingerCost}
	l.ended = append(l.ended, e)
	l.bytes += e.bytes
}

// surplus removes one that is due to be forgotten, if there is one.
func (l *lingering) surplus(now time.Time) (e ended, found bool) {
	if e, found = first(&l.ended, now, l.bytes > lingerBytes); found {
		l.bytes -= e.bytes
		return e, true
	}
	return first(&l.stillborn, now, len(l.stillborn) > maxStillborn)
}

// first removes the first of a queue if there are too many, or if its time is over.
func first(queue *[]ended, now time.Time, tooMany bool) (e ended, found bool) {
	q := *queue
	if len(q) == 0 || !tooMany && now.Sub(q[0].endedAt) <= linger {
		return ended{}, false
	}
	e = q[0]
	q[0], *queue = ended{}, q[1:]
	return e, true
}
