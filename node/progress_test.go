package node

import (
	"testing"
	"testing/synctest"

	"github.com/meshmpc/mpcd/p2p/p2ptest"
	"github.com/meshmpc/mpcd/protocol"
)

// The coordinator hears of a signing that takes its time that it is accepted and how far
// it is, and of a quick one only how it ended.
func TestProgressIsReportedNowAndThen(t *testing.T) {
	for name, cfg := range map[string]p2ptest.Config{"quick": {Transport: p2ptest.Simulated}, "slow": slow()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, cfg, 3, nil)
				key, cert := c.key(protocol.EdDSA, 3)
				spec := c.coord.sign(key, digest(1), c.peers())
				checkSignatures(t, spec, cert, c.coord.run(spec))
				if accepted := c.coord.answersTo(spec.SID()); accepted != map[string]int{"quick": 0, "slow": 3}[name] {
					t.Errorf("%d answers", accepted)
				}
				reports := c.coord.reported(spec.SID())
				if quick := len(reports) == 0; quick != (name == "quick") {
					t.Errorf("%d reports", len(reports))
				}
				rounds := make(map[int]bool)
				for _, r := range reports {
					if r.Phase == protocol.PhaseRounds {
						rounds[r.Round] = true
					}
				}
				if name == "slow" && len(rounds) < 2 {
					t.Errorf("of the rounds only %v were reported", rounds)
				}
			})
		})
	}
}
