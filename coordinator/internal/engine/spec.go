package engine

import (
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
		s.Roster = append(s.Roster, p.Member())
	}
	timeout := r.e.attemptTimeout(&r.req)
	if r.presign != nil {
		timeout, s.Presign = min(timeout, presignedTimeout), r.presign.sid[:]
	}
	s.Expires = expiry(now.Add(timeout))
	if r.req.Kind == protocol.KindKeygen {
		s.Approvers, s.Recipient = r.req.Approvers, r.req.Recipient
		if s.Approvers.M == 0 {
			s.Approvers = r.e.approvers
		}
		return s, s.Validate()
	}
	a := r.e.cfg.Registry.Account(r.req.Account)
	s.Epoch, s.Approvers = a.Epoch, a.Approvers
	var err error
	if s.Authorisation, err = r.e.authorisation(s, r.approvals(), now); err != nil {
		return nil, err
	}
	return s, s.Validate()
}

// approvals are the ones that have come for the session.
func (r *runner) approvals() []string {
	if s := r.e.cfg.Registry.Session(r.id); s != nil {
		return s.Approved
	}
	return r.req.Approvals
}

// expiry rounds up to the whole second that a spec carries.
func expiry(t time.Time) int64 { return t.Add(time.Second - time.Nanosecond).Unix() }
