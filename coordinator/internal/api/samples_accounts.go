package api

import (
	"encoding/hex"

	"github.com/meshmpc/mpcd/coordinator/internal/registry"
	"github.com/meshmpc/mpcd/coordinator/rest"
	"github.com/meshmpc/mpcd/protocol"
)

// serverAccount is an account whose shares are with three parties.
func serverAccount() rest.Account {
	a := rest.Account{
		ID: sampleAccount, UserID: "alice", Scheme: string(protocol.ECDSA), Custody: rest.CustodyServer, Status: "active",
		ThresholdT: 2, ThresholdN: 3, PublicKey: samplePublicKey, KeygenSessionID: sampleKeygen,
		Parties:  sampleParties(protocol.Persistent, protocol.Persistent, protocol.Persistent),
		Presign:  &rest.Presigning{Set: true, Target: 8, TTL: 3600, Stock: 8},
		Approval: rest.Approval{By: "coordinator", M: 1, Keys: []string{sampleNetworkApprover}},
		Labels:   map[string]string{"tier": "gold"}, CreatedAt: sampleTime(0),
	}
	key := must(hex.DecodeString(samplePublicKey))
	if v, err := addressesView(&registry.Account{NewAccount: registry.NewAccount{Scheme: protocol.ECDSA}, Key: registry.Key{PublicKey: key}}); err == nil {
		a.Addresses = v
	}
	return a
}

// certifiedAccount has its key certificate, too.
func certifiedAccount() rest.Account {
	a := serverAccount()
	if v, err := CertificateView(sampleEncodedCertificate()); err == nil {
		a.Certificate = v
	}
	return a
}

// hybridAccount is one of whose shares is the user's.
func hybridAccount() rest.Account {
	a := serverAccount()
	a.Custody = rest.CustodyHybrid
	a.Parties = sampleParties(protocol.Persistent, protocol.Persistent, protocol.Delegate)
	share := sampleUserShare()
	a.UserShare, a.SealKey = &share, share.SealKey
	return a
}

func sampleUserShare() rest.UserShare {
	delegate := sampleParties(protocol.Persistent, protocol.Persistent, protocol.Delegate)[2]
	return rest.UserShare{
		ID: sampleKeygen, SessionID: sampleKeygen, AccountID: sampleAccount, PublicKey: samplePublicKey, Sealed: true,
		RecipientKey: sampleRecipient, Share: sampleShare, ExpiresAt: sampleTime(86400), Party: &delegate,
		SealKey: &rest.SealKey{PeerID: samplePeers[2], Key: sampleSealKey, Statement: sampleStatement},
	}
}

func sampleSignResult() rest.SignResult {
	return rest.SignResult{
		SessionID: sampleSignSession, AccountID: sampleAccount, Scheme: string(protocol.ECDSA), PublicKey: samplePublicKey,
		Message: hex.EncodeToString([]byte(sampleMessage)), Hash: "sha256", Digest: sampleDigest(), Signature: sampleSignature(),
	}
}

// samples are the examples of bodies, by the name of their schema.
func samples() map[string]any {
	info := rest.NetworkInfo{Name: "example", AuthorityKey: sampleAuthority, Bootstrap: []string{"/dns4/boot.example.org/udp/4001/quic-v1/p2p/" + sampleCoordinator}}
	return map[string]any{
		"Health":           rest.Health{Status: "ok"},
		"Ready":            rest.Ready{Status: "ready", Parties: 3, Stock: rest.Stock{Min: 7, Total: 23}},
		"Presign":          rest.Presign{Target: 8, TTL: 3600},
		"Presigning":       rest.Presigning{Set: true, Target: 8, TTL: 3600, Stock: 5},
		"Account":          serverAccount(),
		"AccountList":      rest.AccountList{Accounts: []rest.Account{serverAccount()}, NextCursor: "AAAAAAAAAEI"},
		"SigningParties":   rest.SigningParties{Parties: []string{"oslo", "tokyo"}},
		"SigningPartyList": rest.SigningPartyList{Fixed: true, Parties: sampleParties(protocol.Persistent, protocol.Persistent)},
		"SignResult":       sampleSignResult(),
		"UserShare":        sampleUserShare(),
		"ShareAck":         rest.ShareAck{ID: sampleKeygen, Erased: true},
		"GenerateShare":    rest.GenerateShare{SessionID: sampleKeygen, RecipientKey: sampleRecipient},
		"Session":          signedSession(),
		"SessionList":      rest.SessionList{Sessions: []rest.Session{signedSession()}, NextCursor: "AAAAAAAAAFM"},
		"EventList":        rest.EventList{Events: sampleEvents(), After: 74},
		"Approvals":        rest.Approvals{Approvals: []string{sampleApproval}},
		"ApprovalList":     rest.ApprovalList{Approvals: []rest.PendingApproval{samplePending()}},
		"CreateInvites":    rest.CreateInvites{Replace: sampleInviteID},
		"InviteList":       rest.InviteList{Invites: []rest.Invite{sampleInvite(sampleInviteCode)}},
		"InviteInfo":       sampleInviteInfo(),
		"Join":             rest.Join{PeerID: samplePeers[3], Proof: sampleProof, Name: "alice's phone", DeviceInfo: map[string]any{"os": "Debian 12"}},
		"Joined": rest.Joined{
			SessionID: sampleCoManaged, JoinToken: sampleJoinToken, Pass: samplePass, Network: info, ExpiresAt: sampleTime(86340),
			Coordinator: rest.NetworkMember{PeerID: sampleCoordinator, Addrs: []string{"/ip4/192.0.2.7/udp/4001/quic-v1"}},
		},
		"PartyList":     rest.PartyList{Parties: []rest.Party{sampleParty()}},
		"CreateWebhook": rest.CreateWebhook{URL: "https://backend.example.org/mpc", Events: []string{"session.completed", "session.failed"}},
		"Webhook":       sampleWebhook("Yq8sN3vX0bK5tR7wZ2cF9hJ4mP6gD1aE"),
		"WebhookList":   rest.WebhookList{Webhooks: []rest.Webhook{sampleWebhook("")}},
		"DeliveryList":  rest.DeliveryList{Deliveries: []rest.Delivery{sampleDelivery()}},
		"AuditList":     rest.AuditList{Entries: sampleAudit()},
	}
}
