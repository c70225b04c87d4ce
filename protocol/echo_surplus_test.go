package protocol

import (
	"slices"
	"testing"
)

// A message that the ceremony does not have, sent to one member only and held
// beside the last one of an echo's round, must not make that member think that the
// others' digests lack something.
func TestSurplusMessageIsNotEchoed(t *testing.T) {
	net := newNetwork(t, signSpec(3))
	first := net.players[0]
	surplus := wire(t, Seal(parties[1], Header{SID: net.spec.SID(), Type: TypeRound, Round: 1, Name: "Surplus"}, []byte("for one only")))
	sent := false
	for len(net.queue) > 0 && !first.ended() {
		p := net.pick()
		net.deliver(p)
		if !sent && first.session.echo.sent {
			sent = true
			net.deliver(packet{to: 0, data: surplus})
		}
	}
	if !sent {
		t.Fatal("there was no echo")
	}
	if got := Culprits(first.err); !slices.Equal(got, []PeerID{parties[1].id}) {
		t.Errorf("blames %v: %v", got, first.err)
	}
}
