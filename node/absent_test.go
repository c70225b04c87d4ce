package node

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/p2p"
	"github.com/meshmpc/mpcd/protocol"
)

// A member that is connected, and never joins the session's topic, holds the others up
// before they have said anything. They name it while they wait, and at the deadline.
func TestAMemberThatNeverJoinsTheTopicIsNamed(t *testing.T) {
	for name, propose := range map[string]func(c *cluster, key *protocol.Spec) *protocol.Spec{
		"signature": func(c *cluster, key *protocol.Spec) *protocol.Spec {
			return c.coord.sign(key, digest(1), c.peers(0, 1, 3))
		},
		"key": func(c *cluster, _ *protocol.Spec) *protocol.Spec {
			return c.coord.keygen(protocol.EdDSA, 2, c.peers(0, 1, 3))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, slow(), 4, nil) // nobody hears of another's end before its own
				key, _ := c.key(protocol.EdDSA, 3)
				absent := c.parties[3].turn(key)
				spec := propose(c, key)
				spec.Expires = time.Now().Add(20 * time.Second).Unix()
				began := time.Now()
				c.coord.proposeTo(spec, c.peers(0, 1)...)
				c.coord.await("both say who is missing", time.Minute, func() bool { return c.coord.missing(spec.SID(), absent.ID()) >= 2 })
				if took := time.Since(began); took > 3*time.Second {
					t.Errorf("it was named after %v", took)
				}
				for _, peer := range c.peers(0, 1) {
					f := c.coord.awaitFailure(spec.SID(), peer)
					want := `the deadline passed in phase "accepted" while waiting for ` + absent.ID()
					if f.Code != protocol.CodeTimeout || f.Detail != want || len(f.Culprits) != 0 {
						t.Errorf("got %+v, want %q: %s", f, protocol.CodeTimeout, want)
					}
				}
				for _, p := range c.coord.reported(spec.SID()) {
					if p.Phase != protocol.PhaseAccepted || len(p.Missing) > 0 && !slices.Equal(p.Missing, []p2p.PeerID{absent.ID()}) {
						t.Errorf("reported %+v", p)
					}
				}
			})
		})
	}
}

// A member that joins late is waited for no longer, and held nobody up for good.
func TestAMemberThatJoinsTheTopicLateIsMissingNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slow(), 3, nil)
		key, cert := c.key(protocol.EdDSA, 3)
		late, spec := c.peers(2)[0], c.coord.sign(key, digest(1), c.peers())
		c.coord.proposeTo(spec, c.peers(0, 1)...)
		c.coord.await("both say who is missing", time.Minute, func() bool { return c.coord.missing(spec.SID(), late) >= 2 })
		c.coord.proposeTo(spec, late)
		checkSignatures(t, spec, cert, c.coord.result(spec))
		if p := c.coord.reported(spec.SID()); len(p[len(p)-1].Missing) != 0 {
			t.Errorf("the last report is %+v", p[len(p)-1])
		}
	})
}

// missing counts the reports that a session waits for this member alone. The caller holds mu.
func (s *scripted) missing(sid protocol.SID, peer p2p.PeerID) (n int) {
	for _, p := range s.progress[sid] {
		if slices.Equal(p.Missing, []p2p.PeerID{peer}) {
			n++
		}
	}
	return n
}
