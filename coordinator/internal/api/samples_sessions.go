package api

import (
	"encoding/hex"

	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// signedSession is a signing that is complete.
func signedSession() rest.Session {
	signature, finished := sampleSignature(), sampleTime(60)
	return rest.Session{
		ID: sampleSignSession, Kind: rest.KindSign, Custody: rest.CustodyServer, Status: "completed", AccountID: sampleAccount, UserID: "alice",
		Scheme: string(protocol.ECDSA), ThresholdT: 2, ThresholdN: 3, KeygenSessionID: sampleKeygen,
		Message: hex.EncodeToString([]byte(sampleMessage)), Hash: "sha256", Digest: sampleDigest(), Attempt: 1, SID: sampleSID,
		Fingerprint: sampleFingerprint,
		Parties:     []rest.SessionParty{sampleMember(0, "finished"), sampleMember(2, "finished")},
		Approval:    &rest.Approval{By: "coordinator", M: 1, Keys: []string{sampleNetworkApprover}}, Signature: &signature,
		CreatedAt: sampleTime(59), ExpiresAt: sampleTime(183), FinishedAt: &finished,
	}
}

// runningSession is a keygen on its way.
func runningSession() rest.Session {
	return rest.Session{
		ID: sampleKeygen, Kind: rest.KindKeygen, Custody: rest.CustodyServer, Status: "running", AccountID: sampleAccount, UserID: "alice",
		Scheme: string(protocol.ECDSA), ThresholdT: 2, ThresholdN: 3, KeygenSessionID: sampleKeygen, Attempt: 1, SID: sampleSID,
		Fingerprint: sampleFingerprint,
		Parties:     []rest.SessionParty{sampleMember(0, "running"), sampleMember(1, "running"), sampleMember(2, "running")},
		CreatedAt:   sampleTime(0), ExpiresAt: sampleTime(244),
	}
}

// invitingSession is a co-managed keygen that waits for a device.
func invitingSession(code string) rest.Session {
	return rest.Session{
		ID: sampleCoManaged, Kind: rest.KindCoManagedKeygen, Custody: rest.CustodyCoManaged, Status: "created", WaitingFor: "external_parties",
		AccountID: "0198c2a5-3b7a-7318-b6c4-8f2a0d9e7c15", UserID: "alice", Scheme: string(protocol.ECDSA), ThresholdT: 2, ThresholdN: 3,
		KeygenSessionID: sampleCoManaged, Parties: []rest.SessionParty{}, Invites: []rest.Invite{sampleInvite(code)},
		CreatedAt: sampleTime(0), ExpiresAt: sampleTime(3600),
	}
}

// approvalSession is a signing that waits for approvals.
func approvalSession() rest.Session {
	s := signedSession()
	s.Status, s.WaitingFor, s.Attempt, s.SID, s.Fingerprint, s.Signature, s.FinishedAt = "created", "approvals", 0, "", "", nil, nil
	s.Parties, s.Approval, s.Approved, s.ExpiresAt = []rest.SessionParty{}, sampleApprovers(), []string{sampleApproverID}, sampleTime(659)
	return s
}

// cancelledSession was ended on request.
func cancelledSession() rest.Session {
	s, finished := runningSession(), sampleTime(3)
	s.Status, s.FinishedAt, s.Error = "cancelled", &finished, newProblem("session_cancelled", "the session was cancelled on request")
	s.Error.SessionID = s.ID
	return s
}

func sampleApprovers() *rest.Approval {
	return &rest.Approval{By: "approvers", M: 2, Keys: []string{sampleOtherApproverID, sampleApproverID}}
}

func sampleMember(i int, state string) rest.SessionParty {
	names := sampleParties(protocol.Persistent, protocol.Persistent, protocol.Persistent)
	p := rest.SessionParty{PeerID: names[i].PeerID, Name: names[i].Name, Role: names[i].Role, State: state, Phase: "rounds", Round: 2, Rounds: 4}
	if state == "finished" {
		p.Phase, p.Round = "done", 4
	}
	return p
}

func sampleEvents() []rest.Event {
	party := sampleParties(protocol.Persistent)[0]
	return []rest.Event{
		{Seq: 71, Time: sampleTime(59), Type: "session.created", Actor: sampleActor()},
		{Seq: 72, Time: sampleTime(59), Type: "attempt.started", Attempt: 1, SID: sampleSID, Roster: []string{samplePeers[0], samplePeers[2]}},
		{Seq: 73, Time: sampleTime(59), Type: "party.accepted", Attempt: 1, SID: sampleSID, Party: &party},
		{Seq: 74, Time: sampleTime(60), Type: "session.completed", Attempt: 1, SID: sampleSID},
	}
}

func sampleActor() *rest.Actor {
	return &rest.Actor{Key: "backend", KeyName: "backend", Client: "192.0.2.10", RequestID: sampleRequest}
}

func samplePending() rest.PendingApproval {
	return rest.PendingApproval{
		SessionID: sampleSignSession, AccountID: sampleAccount, UserID: "alice", Scheme: string(protocol.ECDSA),
		Message: hex.EncodeToString([]byte(sampleMessage)), Hash: "sha256", Needed: 2, Approved: []string{sampleApproverID},
		Approvers: sampleApprovers().Keys, ExpiresAt: sampleTime(659),
		Claims: rest.ApprovalClaims{
			Audience: "example", Operation: "sign", Subject: sampleAccount, Key: sampleKeygen, Path: []uint32{}, Digest: sampleDigest(), JTI: sampleSignSession,
		},
	}
}

func sampleInvite(code string) rest.Invite {
	return rest.Invite{ID: sampleInviteID, SessionID: sampleCoManaged, Code: code, Status: "open", ExpiresAt: sampleTime(3600)}
}

func sampleInviteInfo() rest.InviteInfo {
	s := invitingSession("")
	return rest.InviteInfo{
		SessionID: s.ID, Kind: s.Kind, UserID: s.UserID, AccountID: s.AccountID, KeygenSessionID: s.KeygenSessionID, Scheme: s.Scheme,
		ThresholdT: s.ThresholdT, ThresholdN: s.ThresholdN, Network: "example", SessionStatus: s.Status, Status: "open", ExpiresAt: s.ExpiresAt,
	}
}

func sampleParty() rest.Party {
	return rest.Party{
		PeerID: samplePeers[0], Name: "oslo", State: "live", Software: "mpcd 1.4.0", Labels: map[string]string{"zone": "eu-north-1a"},
		Sessions: 1, Stock: 8, Keys: 42, ClockSkewMS: 3, LastSeen: sampleTime(60),
	}
}

func sampleWebhook(secret string) rest.Webhook {
	return rest.Webhook{
		ID: sampleWebhookID, URL: "https://backend.example.org/mpc", Events: []string{"session.completed", "session.failed"}, Secret: secret, CreatedAt: sampleTime(-3600),
	}
}

func sampleDelivery() rest.Delivery {
	return rest.Delivery{
		ID: sampleDeliveryID, WebhookID: sampleWebhookID, EventSeq: 74, EventType: "session.completed", SessionID: sampleSignSession, AccountID: sampleAccount,
		Status: "delivered", Tries: 1, LastTry: new(sampleTime(61)), HTTP: 204,
	}
}

func sampleAudit() []rest.AuditEntry {
	return []rest.AuditEntry{
		{Seq: 71, Time: sampleTime(59), Type: "session.created", Actor: sampleActor(), AccountID: sampleAccount, SessionID: sampleSignSession},
		{Seq: 70, Time: sampleTime(30), Type: "auth.failed", Actor: &rest.Actor{Client: "198.51.100.4"}, Code: "unknown_key", Count: 12},
	}
}
