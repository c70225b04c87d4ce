package api

import "github.com/meshmpc/mpcd/coordinator/rest"

// sample is one example of a body.
type sample struct {
	summary string
	body    any
}

// bodySamples are the examples of operations whose bodies differ from what their
// schema's example shows: of a request by the operation's id, of an answer by the
// id and the status.
var bodySamples = map[string]func() map[string]sample{
	"create-account":     createAccountSamples,
	"create-account 201": accountSamples,
	"create-account 202": func() map[string]sample { return one("The session has begun.", runningSession()) },
	"get-account 200":    func() map[string]sample { return one("An account with its key certificate.", certifiedAccount()) },
	"sign":               signSamples,
	"sign 202":           func() map[string]sample { return one("The session waits for one more approval.", approvalSession()) },
	"create-session":     createSessionSamples,
	"create-session 201": func() map[string]sample {
		return one("The invite's code is shown once.", invitingSession(sampleInviteCode))
	},
	"get-session 200": func() map[string]sample {
		return map[string]sample{
			"signed":   {"A signing that is complete.", signedSession()},
			"running":  {"A keygen on its way.", runningSession()},
			"inviting": {"A keygen that waits for a user's device.", invitingSession("")},
		}
	},
	"cancel-session 200": func() map[string]sample { return one("The session has ended.", cancelledSession()) },
	"approve 200":        func() map[string]sample { return one("One more approval is needed.", approvalSession()) },
	"list-webhooks 200": func() map[string]sample {
		return one("Secrets are shown when a webhook is made.", rest.WebhookList{Webhooks: []rest.Webhook{sampleWebhook("")}})
	},
	"delete-presign 200": func() map[string]sample {
		return one("The default holds while the account is in use.", rest.Presigning{Target: 2, TTL: 3600, Stock: 2})
	},
	"delete-signing-parties 200": func() map[string]sample {
		return one("The parties are chosen for each session.", rest.SigningPartyList{Parties: serverAccount().Parties})
	},
}

func one(summary string, body any) map[string]sample {
	return map[string]sample{"example": {summary, body}}
}

func createAccountSamples() map[string]sample {
	return map[string]sample{
		"server":    {"A 2-of-3 key among the network's parties.", rest.CreateAccount{UserID: "alice"}},
		"named":     {"An Ed25519 key with parties, threshold and labels of the caller's choice.", rest.CreateAccount{UserID: "alice", Scheme: "eddsa-ed25519", Threshold: &rest.Threshold{T: 2, N: 2}, Parties: []string{"oslo", "tokyo"}, Labels: map[string]string{"tier": "gold"}}},
		"hybrid":    {"One of the shares is the user's, sealed to the user's key.", rest.CreateAccount{UserID: "alice", UserShare: true, RecipientKey: sampleRecipient}},
		"presigned": {"A key that signs at once: eight presignatures wait for requests.", rest.CreateAccount{UserID: "alice", Presign: &rest.Presign{Target: 8, TTL: 3600}}},
		"approvers": {"Two people must approve each signature.", rest.CreateAccount{UserID: "alice", Approvers: &rest.Approvers{M: 2, Keys: []string{sampleApproverKey, sampleOtherKey}}}},
	}
}

func accountSamples() map[string]sample {
	return map[string]sample{
		"server": {"Parties of the network hold all shares.", certifiedAccount()},
		"hybrid": {"One share is the user's.", hybridAccount()},
	}
}

func signSamples() map[string]sample {
	return map[string]sample{
		"digest":     {"A digest of 32 bytes.", rest.SignBody{Message: sampleDigest()}},
		"text":       {"A text that the coordinator hashes.", rest.SignBody{Message: sampleMessage, Encoding: "utf8", Hash: "sha256"}},
		"user_share": {"With the user's share, sealed for this digest to the account's seal_key.", rest.SignBody{Message: sampleDigest(), UserShare: sampleSignShare}},
		"approved":   {"With an approval, which names the request's id.", rest.SignBody{Message: sampleMessage, Encoding: "utf8", Hash: "sha256", RequestID: sampleSignSession, Approvals: []string{sampleApproval}}},
	}
}

func createSessionSamples() map[string]sample {
	return map[string]sample{
		"co_managed": {"Two parties of the network and one device of the user make a key.", rest.CreateSession{Kind: rest.KindCoManagedKeygen, UserID: "alice", ServerParties: 2, ExternalParties: 1}},
		"open_slot":  {"A keygen that waits for the user to ask for the share.", rest.CreateSession{Kind: rest.KindKeygen, UserID: "alice", OpenUserSlot: true, ExpiresIn: 600}},
		"sign":       {"A signing in which a user's device takes part.", rest.CreateSession{Kind: rest.KindSign, AccountID: sampleAccount, Message: sampleDigest(), ExternalParties: 1}},
	}
}
