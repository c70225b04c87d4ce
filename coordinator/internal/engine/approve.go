package engine

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/protocol"
)

// Claims returns what an approval of a sign session must claim; its times are
// zero: the approver chooses them.
func (e *Engine) Claims(session string, s *registry.NewSession) protocol.Approval {
	a := protocol.ApprovalFor(e.claimed(session, s), time.Unix(0, 0), 0)
	a.NotBefore, a.Expires = 0, 0
	return a
}

// claimed is the part of a sign session's spec that approvals are about.
func (e *Engine) claimed(session string, s *registry.NewSession) *protocol.Spec {
	epoch := uint32(0)
	if a := e.cfg.Registry.Account(s.Account); a != nil {
		epoch = a.Epoch
	}
	return &protocol.Spec{
		Network: e.cfg.Network, Kind: s.Kind, Session: session, Account: s.Account, Key: s.KeyID,
		Epoch: epoch, Scheme: s.Scheme, Payload: s.Payload,
	}
}

// Approve adds approvals to a session that waits for them. All of them count, or
// none does.
func (e *Engine) Approve(session string, tokens []string, meta registry.Meta) error {
	e.gather.Lock()
	defer e.gather.Unlock()
	s, err := e.waitingSession(session, protocol.KindSign)
	if err != nil {
		return err
	}
	a := e.cfg.Registry.Account(s.Account)
	if e.byDefault(a.Approvers) {
		return &registry.Problem{Code: registry.CodeNotWaiting, Detail: "the account's signatures are approved by the coordinator: no other approval is needed", Session: session}
	}
	spec := e.claimed(session, &s.NewSession)
	var events []registry.Event
	have := e.valid(spec, a.Approvers, s.Approved)
	for _, token := range tokens {
		kid, err := checkApproval(spec, a.Approvers, token)
		if err != nil {
			return err
		}
		if _, approved := have[kid]; approved {
			continue // one valid approval of each is all that counts
		}
		have[kid] = token
		events = append(events, registry.Event{Stream: registry.SessionStream(session), Type: registry.ApprovalAdded, Approval: token})
	}
	if len(events) == 0 {
		return nil
	}
	events[0].Actor, events[0].Idem = meta.Actor, meta.Idem
	if err := e.cfg.Registry.Append(events...); err != nil {
		return storageProblem()
	}
	return nil
}

// approved checks the approvals that came with a request, and reports whether
// they are enough.
func (e *Engine) approved(session string, s *registry.NewSession, a *registry.Account) (bool, error) {
	if e.byDefault(a.Approvers) {
		if len(s.Approvals) > 0 {
			return false, &registry.Problem{Code: registry.CodeInvalidApproval, Detail: "the account's signatures are approved by the coordinator: leave approvals out"}
		}
		return true, nil
	}
	spec := e.claimed(session, s)
	for _, token := range s.Approvals {
		if _, err := checkApproval(spec, a.Approvers, token); err != nil {
			return false, err
		}
	}
	return e.enough(spec, a.Approvers, s.Approvals), nil
}

// enough reports whether approvals, and the coordinator's own if it is one of
// the approvers, authorise a session now.
func (e *Engine) enough(spec *protocol.Spec, approvers protocol.Approvers, tokens []string) bool {
	valid := e.valid(spec, approvers, tokens)
	if e.approves(approvers) {
		valid[protocol.ApproverID(e.approvers.Keys[0])] = ""
	}
	return len(valid) >= approvers.M
}

// lapsed tells that approvals which were enough when they came have run out since, such as in the
// queue; nil if they have not. Parties would refuse, and be at fault.
func (r *runner) lapsed() *registry.Problem {
	if r.req.Kind != protocol.KindSign {
		return nil
	}
	a := r.e.cfg.Registry.Account(r.req.Account)
	if r.e.byDefault(a.Approvers) || r.e.enough(r.e.claimed(r.id, &r.req), a.Approvers, r.approvals()) {
		return nil
	}
	p := ranOut()
	if r.lastFault != nil {
		p.Parties = r.lastFault.Parties
		p.Detail = "approvals ran out before another attempt could begin; the last one: " + r.lastFault.Detail
	}
	return p
}

func ranOut() *registry.Problem {
	return &registry.Problem{Code: registry.CodeInvalidApproval, Detail: "approvals ran out before the session could begin: approve again, for longer"}
}

// lapseIn returns after which time lapsed will tell that approvals have run out; false: it will not.
func (r *runner) lapseIn() (time.Duration, bool) {
	if r.lapsed() != nil {
		return 0, true
	}
	until, limited := r.approvedUntil()
	return time.Until(until.Add(protocol.MaxClockSkew + time.Millisecond)), limited
}

// approvedUntil returns when a signing's approvals, as they say, will be too few; false: the
// coordinator approves it at any time, or they are too few now.
func (r *runner) approvedUntil() (time.Time, bool) {
	var none time.Time
	if r.req.Kind != protocol.KindSign {
		return none, false
	}
	a := r.e.cfg.Registry.Account(r.req.Account)
	need := a.Approvers.M
	if r.e.approves(a.Approvers) {
		need--
	}
	if need < 1 {
		return none, false
	}
	latest := make(map[string]time.Time)
	spec := r.e.claimed(r.id, &r.req)
	for _, token := range r.approvals() {
		kid, err := checkApproval(spec, a.Approvers, token)
		if err != nil {
			continue
		}
		if _, expires, err := protocol.PeekApproval(token); err == nil && expires.After(latest[kid]) {
			latest[kid] = expires
		}
	}
	if len(latest) < need {
		return none, false
	}
	return slices.SortedFunc(maps.Values(latest), func(x, y time.Time) int { return y.Compare(x) })[need-1], true
}

// approves reports whether the coordinator's key is one of the approvers.
func (e *Engine) approves(a protocol.Approvers) bool {
	return slices.ContainsFunc(a.Keys, func(k []byte) bool { return bytes.Equal(k, e.approvers.Keys[0]) })
}

// ApprovedBy returns the key ids of the approvers of a sign session. While it
// waits those whose approvals have run out are left out; later it is who has
// approved. The approvals were verified when they came.
func (e *Engine) ApprovedBy(s *registry.Session) []string {
	kids := make([]string, 0, len(s.Approved))
	for _, token := range s.Approved {
		kid, expires, err := protocol.PeekApproval(token)
		if err != nil || slices.Contains(kids, kid) || (s.Waiting() != "" && !time.Now().Before(expires)) {
			continue
		}
		kids = append(kids, kid)
	}
	slices.Sort(kids)
	return kids
}

// ApprovesAlone reports whether the coordinator approves an account's signatures
// itself.
func (e *Engine) ApprovesAlone(a *registry.Account) bool { return e.byDefault(a.Approvers) }

func (e *Engine) byDefault(a protocol.Approvers) bool { return a.Hash() == e.approvers.Hash() }

// valid returns, by approver, the approvals that are acceptable now.
func (e *Engine) valid(spec *protocol.Spec, approvers protocol.Approvers, tokens []string) map[string]string {
	valid := make(map[string]string)
	for _, token := range tokens {
		if kid, err := checkApproval(spec, approvers, token); err == nil {
			valid[kid] = token
		}
	}
	return valid
}

// authorisation returns the approvals for a spec: M of the valid ones, and the
// coordinator's own if the key names it as an approver.
func (e *Engine) authorisation(spec *protocol.Spec, tokens []string, now time.Time) ([]string, error) {
	valid := e.valid(spec, spec.Approvers, tokens)
	if e.approves(spec.Approvers) {
		own, err := protocol.SignApproval(e.cfg.Approver, protocol.ApprovalFor(spec, now, approvalLife))
		if err != nil {
			return nil, fmt.Errorf("approve session %s: %w", spec.Session, err)
		}
		valid[protocol.ApproverID(e.approvers.Keys[0])] = own
	}
	out := make([]string, 0, len(valid))
	for _, token := range valid {
		out = append(out, token)
	}
	slices.Sort(out) // the spec of an attempt must not depend on a map's order
	return out, nil
}

// checkApproval verifies one approval and returns its approver's key id.
func checkApproval(spec *protocol.Spec, approvers protocol.Approvers, token string) (kid string, err error) {
	single := *spec
	single.Authorisation = []string{token}
	if _, err := protocol.Authorise(&single, protocol.Approvers{M: 1, Keys: approvers.Keys}, time.Now()); err != nil {
		return "", &registry.Problem{Code: registry.CodeInvalidApproval, Detail: err.Error(), Session: spec.Session}
	}
	kid, _, err = protocol.PeekApproval(token)
	if err != nil {
		return "", &registry.Problem{Code: registry.CodeInvalidApproval, Detail: err.Error(), Session: spec.Session}
	}
	return kid, nil
}
