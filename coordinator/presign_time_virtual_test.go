package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/engine"
	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// TestPresignatureThatHangsCostsNoApproval: with approvals that end before a full attempt could follow, no
// presignature is used.
func TestPresignatureThatHangsCostsNoApproval(t *testing.T) {
	for name, of := range map[string]struct {
		life      time.Duration // of the approval; it is taken for half a minute more
		presigned bool
	}{
		"over by the time of the full attempt": {-20 * time.Second, false},
		"not for long enough":                  {19 * time.Second, false},
		"long enough":                          {22 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newPresigner(t, 0, "p1", "p2")
				ann := newApprover(t)
				key, err := c.engine.Keygen(engine.KeygenRequest{
					Owner: "u", Scheme: protocol.ECDSA, Threshold: protocol.Threshold{T: 2, N: 2}, Approvers: protocol.Approvers{M: 1, Keys: [][]byte{ann.spki}},
					Presign: &registry.Presign{Target: 1, TTL: 3600},
				})
				if err != nil {
					t.Fatal(err)
				}
				made, _ := c.finished(key)
				c.wantStock(made.Account, 1, 10*time.Second)
				for _, p := range c.net.order { // with a presignature they wait for each other, for ever
					p.set(script{waits: func(s *protocol.Spec) []protocol.PeerID {
						if len(s.Presign) == 0 {
							return nil
						}
						return others(s, p)
					}})
				}
				id := c.signsDigest(made.Account)
				c.approve(ann, id, of.life)
				s, took := c.finished(id)
				if s.Status != registry.StatusCompleted || (s.Fallbacks == 1) != of.presigned || (took < time.Second) == of.presigned {
					t.Errorf("%s after %v with %d presignatures: %+v", s.Status, took, s.Fallbacks, s.Problem)
				}
				want := 1
				if of.presigned {
					want = 0
				}
				if n := c.stock(made.Account); n != want {
					t.Errorf("%d presignatures are left", n)
				}
			})
		})
	}
}
