package node

import (
	"encoding/binary"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// leave has a party keep results for a coordinator, numbered, with messages of so many bytes.
func (p *party) leave(to protocol.PeerID, from, end, message int) {
	for i := from; i < end; i++ {
		sid := protocol.SID{0xff}
		binary.BigEndian.PutUint32(sid[1:], uint32(i))
		result := newPending(to, protocol.Outcome{SID: sid, Record: &protocol.Record{Body: protocol.RecordBody{Spec: protocol.Spec{Payload: make([]byte, message)}}}})
		result.unwritten = true
		p.node.outcomes.add(result)
	}
}

// A coordinator that acknowledges nothing begins nothing any more, also after a restart of the
// party, until it does. Others do not feel it.
func TestWhoAcknowledgesNothingBeginsNothing(t *testing.T) {
	for name, left := range map[string]struct{ many, message int }{
		"many results":  {maxUnacknowledged, 0},
		"large results": {maxUnacknowledgedBytes / protocol.MaxMessage, protocol.MaxMessage},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 3, nil)
				key, cert := c.key(protocol.EdDSA, 2)
				other, p := c.second(), c.parties[0]
				eventually(t, "nothing is left unacknowledged", func() bool { return undelivered(t, p) == 0 })
				c.coord.mutely(true)
				p.leave(c.coord.host.ID(), 0, left.many*9/10, left.message)
				earlier := c.coord.sign(key, digest(1), c.peers(0, 1))
				checkSignatures(t, earlier, cert, c.coord.run(earlier))
				p.leave(c.coord.host.ID(), left.many*9/10, left.many, left.message)
				refused := func(when string) {
					t.Helper()
					a := c.coord.answer(p.ID(), c.coord.sign(key, digest(2), c.peers(0, 1)))
					if a.Code != protocol.CodeBusy || !strings.Contains(a.Detail, "acknowledge them") {
						t.Errorf("%s: got %+v, want %q", when, a, protocol.CodeBusy)
					}
				}
				refused("one too many")
				certificate(t, other.run(other.keygen(protocol.EdDSA, 2, c.peers())))
				p.restart()
				c.net.Mesh(c.hosts()...)
				eventually(t, "what was left is known again", func() bool {
					_, _, tooMuch := p.node.outcomes.unacknowledged(c.coord.host.ID())
					return tooMuch
				})
				refused("after a restart")

				c.coord.mutely(false)
				eventually(t, "what was left is acknowledged", func() bool { return undelivered(t, p) == 0 })
				spec := c.coord.sign(key, digest(3), c.peers(0, 1))
				checkSignatures(t, spec, cert, c.coord.run(spec))
			})
		})
	}
}

// What a coordinator has to acknowledge is told when it asks for it, though it may begin nothing.
func TestWhoMayBeginNothingIsToldWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p2ptest.Config{Transport: p2ptest.Simulated}, 2, nil)
		key, cert := c.key(protocol.EdDSA, 2)
		p := c.parties[0]
		c.coord.mutely(true)
		spec := c.coord.sign(key, digest(1), c.peers())
		checkSignatures(t, spec, cert, c.coord.run(spec))
		p.leave(c.coord.host.ID(), 0, maxUnacknowledged, 0)
		after(2 * linger)
		offered := c.coord.offered(p.ID())
		c.coord.await("more outcomes", redeliverMost+time.Second, func() bool { return c.coord.offers[p.ID()] > offered })
		after(time.Second) // all of them: the next come after half a minute
		offered = c.coord.offered(p.ID())
		if a := c.coord.answer(p.ID(), spec); a.Code != protocol.CodeReplay {
			t.Errorf("got %+v, want %q", a, protocol.CodeReplay)
		}
		c.coord.await("the outcome", time.Second, func() bool { return c.coord.offers[p.ID()] > offered })
	})
}

// A coordinator under full load may be late: nothing is refused.
func TestALateAcknowledgementCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			pace = time.Second / 400
			late = 2 * time.Second
		)
		_, b := newRoad(t)
		sid := func(i int) protocol.SID { return protocol.SID{1, byte(i), byte(i >> 8)} }
		for i := range 4000 {
			b.add(newPending("coordinator", protocol.Outcome{SID: sid(i), Record: &protocol.Record{}}))
			if i >= int(late/pace) {
				b.acknowledge("coordinator", &protocol.Ack{SID: sid(i - int(late/pace))})
			}
			if count, _, tooMuch := b.unacknowledged("coordinator"); tooMuch {
				t.Fatalf("refused with %d outcomes, after %d", count, i)
			}
			time.Sleep(pace)
		}
	})
}
