package api

import (
	"cmp"
	"encoding/base64"
	"slices"
	"time"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// stateJoined is the state of a device whose session has not begun.
const stateJoined = "joined"

// sessionView shows one session.
func (s *server) sessionView(r *registry.Session) rest.Session { return s.listedView(s.whole(r)) }

// listedView shows a session with what is in memory of it.
func (s *server) listedView(r *registry.Session) rest.Session {
	v := rest.Session{
		ID: r.ID, Kind: KindOf(r), Custody: custodyOf(r.Custody), Status: string(r.Status), WaitingFor: string(r.Waiting()),
		AccountID: r.Account, UserID: r.Owner, Scheme: string(r.Scheme),
		ThresholdT: r.Threshold.T, ThresholdN: r.Threshold.N, KeygenSessionID: r.KeyID,
		Attempt: r.Attempt, SID: r.SID, Presigned: r.Presigned, Fingerprint: s.cfg.Engine.Fingerprint(r), Parties: sessionParties(r),
		CreatedAt: r.Created, ExpiresAt: r.Expires,
	}
	for _, i := range r.Invites {
		v.Invites = append(v.Invites, inviteView(r, i))
	}
	if r.Kind == protocol.KindSign {
		v.Message, v.Hash, v.Digest = signedView(r)
		if a := s.cfg.Registry.Account(r.Account); a != nil {
			approval := s.approvalView(a)
			v.Approval, v.Approved = &approval, s.cfg.Engine.ApprovedBy(r)
		}
	}
	if r.Signature != nil {
		sig := signatureView(r.Scheme, r.Signature)
		v.Signature = &sig
	}
	if !r.Finished.IsZero() {
		v.FinishedAt = &r.Finished
	}
	if r.Problem != nil {
		v.Error = problemOf(r.Problem)
	}
	v.Blame = s.blameView(r)
	return v
}

// KindOf is a session's kind in the API's words.
func KindOf(r *registry.Session) string {
	if r.Kind == protocol.KindKeygen && r.Custody == registry.CustodyCoManaged {
		return rest.KindCoManagedKeygen
	}
	return string(r.Kind)
}

func custodyOf(c registry.Custody) string { return string(cmp.Or(c, registry.CustodyServer)) }

func sessionParties(r *registry.Session) []rest.SessionParty {
	parties := make([]rest.SessionParty, 0, len(r.Members)+len(r.Joined))
	for _, m := range r.Members {
		parties = append(parties, rest.SessionParty{
			PeerID: m.Peer, Name: m.Name, Role: string(m.Party.Member().Role), State: m.State, Phase: string(m.Phase), Round: m.Round, Rounds: m.Rounds,
		})
	}
	if len(r.Members) > 0 {
		return parties
	}
	for _, p := range r.Joined {
		parties = append(parties, rest.SessionParty{PeerID: p.Peer, Name: p.Name, Role: string(p.Member().Role), State: stateJoined})
	}
	return parties
}

func partyNames(parties []registry.Party) []rest.PartyName {
	var names []rest.PartyName
	for _, p := range parties {
		names = append(names, rest.PartyName{PeerID: p.Peer, Name: p.Name, Role: string(p.Member().Role)})
	}
	return names
}

func inviteView(r *registry.Session, i registry.InviteState) rest.Invite {
	return rest.Invite{ID: i.ID, SessionID: r.ID, Status: inviteStatus(r, i), PeerID: i.Peer, ExpiresAt: i.Expires}
}

func inviteStatus(r *registry.Session, i registry.InviteState) string {
	switch {
	case i.Peer != "":
		return "used"
	case i.Revoked:
		return "revoked"
	case r.Status.Finished() || !time.Now().Before(i.Expires):
		return "expired"
	}
	return "open"
}

// approvalView says who approves an account's signatures.
func (s *server) approvalView(a *registry.Account) rest.Approval {
	approvers := a.Approvers
	v := rest.Approval{By: "approvers", M: approvers.M}
	if s.cfg.Engine.ApprovesAlone(a) {
		v.By = "coordinator"
	}
	for _, key := range approvers.Keys {
		v.Keys = append(v.Keys, protocol.ApproverID(key))
		v.PublicKeys = append(v.PublicKeys, base64.StdEncoding.EncodeToString(key))
	}
	slices.Sort(v.Keys)
	return v
}
