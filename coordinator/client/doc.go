// Package client is the Go SDK of the coordinator's HTTP API: a method for each
// route, with the types of package rest.
//
//	c, err := client.New(client.Config{URL: "https://mpc.example.com:4000", Key: key})
//	account, err := c.CreateAccount(ctx, rest.CreateAccount{UserID: "alice"})
//	result, err := c.Sign(ctx, client.SignRequest{Account: account.ID, Message: message, Hash: "keccak256"})
//
// # What is verified here
//
// The coordinator is not trusted with keys or decisions, so nothing that it says
// of them is taken on its word:
//
//   - An account's key certificate is checked with the signatures of all members,
//     and public key, threshold, members, approvers and addresses are compared
//     with it; for a new account also what was asked for (parties, if they are
//     named by peer id). A coordinator that had the key made for other approvers
//     has not got an account from here.
//   - A blame that is said to be proven is checked by VerifyBlame, but for the
//     session that it is of, and the evidence of a party's own by VerifyEvidence.
//   - Sign hashes the message itself, compares the digest, and verifies the
//     signature under the certified key, in each of its forms.
//   - The key of an account is remembered (Config.Pins): the first one that is
//     seen is the only one from then on. Members prove who they are among
//     themselves, not that they are your operator's nodes: n members that the
//     coordinator has made up pass. Config.Trust can name the network and its
//     parties, and then they do not.
//   - A user's share is sealed to the delegate that the certificate names, under a
//     key which that delegate has signed, for one digest.
//   - Approve hashes the message that is to be approved again; CheckPending
//     compares its other claims with the certificate.
//
// Whatever fails is ErrVerification, and no result. Lists are not verified, nor is
// the signature inside of a rest.Session before VerifySession or AwaitSignature.
//
// # Errors
//
//	*rest.Problem     the API refused, or a session failed: errors.As, or Code(err)
//	ErrUnreachable    no whole answer came; ErrCertificate and ErrPlainHTTP say more
//	ErrTimeout        the context's deadline, or Config.Timeout, was over
//	ErrNotAPI         something else answered
//	ErrVerification   see above
//	*PendingError     Sign: the session waits for approvals
//	ErrConfig, ErrShare, ErrNotApprover, ErrWebhook   what the caller gave is wrong
//
// # Repeated calls
//
// A call is made again, with exponentially growing, jittered waits and no sooner
// than Retry-After says, when there was no whole answer, when there were too many
// calls (429), when the coordinator shuts down, and when 502, 503 or 504 came from
// a proxy in front of it. That is safe: each POST carries an Idempotency-Key,
// the same in all of its tries, so that the coordinator answers with what the
// first one has made. A session that has failed is not such a case: its outcome
// stays. A caller that wants to repeat a POST after a crash of its own gives the
// key with WithIdempotencyKey.
//
// # Events
//
// Events follows a session's events as they happen, over server-sent events, and
// over restarts of the coordinator.
package client
