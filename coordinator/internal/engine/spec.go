package engine

import (
	"fmt"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// newSpec describes the next attempt of a session with these parties.
func (r *runner) newSpec(parties []registry.Party) (*protocol.Spec, error) {
	now := time.Now()
	s := &protocol.Spec{
		Version: protocol.SpecVersion, Network: r.e.cfg.Network, Kind: r.req.Kind, Session: r.id, Attempt: r.number,
		Account: r.req.Account, Key: r.req.KeyID, Scheme: r.req.Scheme, Threshold: r.req.Threshold.T,
		Payload: r.req.Payload, Coordinator: r.e.cfg.Mesh.ID(), Owner: r.req.Owner,
	}
	for _, p := range parties {
		s.Roster = append(s.Roster, protocol.Member{Peer: p.Peer, Role: protocol.Persistent})
	}
	s.Expires = expiry(now.Add(r.e.attemptTimeout(r.req.Kind)))
	if r.req.Kind == protocol.KindKeygen {
		s.Approvers = r.e.approvers
		return s, s.Validate()
	}
	a := r.e.cfg.Registry.Account(r.req.Account)
	s.Epoch, s.Approvers = a.Epoch, a.Approvers
	token, err := protocol.SignApproval(r.e.cfg.Approver, protocol.ApprovalFor(s, now, approvalLife))
	if err != nil {
		return nil, fmt.Errorf("approve session %s: %w", r.id, err)
	}
	s.Authorisation = []string{token}
	return s, s.Validate()
}

// expiry rounds up to the whole second that a spec carries.
func expiry(t time.Time) int64 { return t.Add(time.Second - time.Nanosecond).Unix() }
